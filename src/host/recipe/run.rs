//! A run between two steps, and the step itself.

use super::Recipe;
use super::checkpoint::{Finished, Point};
use super::encounter::Encounter;
use super::objective::{Cost, Objective, Sources};
use super::picture::Painter;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::host::graph::{Graph, Mode, Table, Weight, Weights};
use crate::host::optimise::Adam;
use crate::host::papers::{self, Generator, Head};
use crate::host::peers::{Alone, Peers};
use crate::host::photographs::Patches;
use crate::host::random::Random;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;

/// A network that learns.
#[derive(Debug)]
pub(super) struct Learner {
    pub(super) graph: Graph,
    pub(super) weights: Weights,
    pub(super) adam: Adam,
}

/// Someone to learn from.
#[derive(Debug)]
struct Master {
    generator: Generator,
    weights: Vec<Tensor>,
}

impl Master {
    /// The network `teacher`, which must show all that `pupil` is to learn of it.
    fn new(teacher: &Finished, pupil: &Generator, wanted: &super::Teacher, device: &Device) -> Result<Self> {
        let (generator, weights) = teacher.open(device)?;
        for head in &pupil.heads {
            generator.head(head.scale).map_err(|e| e.at("the teacher"))?;
        }
        if wanted.attention > 0.0 && (pupil.hidden.is_none() || generator.hidden.is_none()) {
            return Err(Error::usage("teacher or pupil has no features at the input's resolution to be compared")
                .fix("set loss.teacher.attention=0.0"));
        }
        Ok(Self { generator, weights })
    }
}

/// A run between two steps.
#[derive(Debug)]
pub struct Run {
    /// What decides the result.
    pub recipe: Recipe,
    /// What was measured so far.
    pub history: Vec<Point>,
    /// Steps taken.
    pub step: u64,
    /// Who else learns the same networks.
    pub peers: Box<dyn Peers>,
    pub(super) generator: Generator,
    pub(super) learner: Learner,
    pub(super) adversary: Option<Learner>,
    objective: Objective,
    teacher: Option<Master>,
    device: Device,
}

/// What a step cost, by name: the weighted losses, their sum `loss`, and of a game `d_loss`, `d_real` and `d_fake` (the means
/// of the logits).
pub type Costs = BTreeMap<&'static str, f64>;

impl Learner {
    fn new(
        graph: Graph,
        optimiser: &super::Optimiser,
        decay: f64,
        random: &mut Random,
        device: &Device,
    ) -> Result<Self> {
        let weights = Weights::new(&graph, random, device)?;
        let adam = Adam::new(weights.variables(), decay)?.with_betas(optimiser.betas);
        Ok(Self { graph, weights, adam })
    }

    /// Goes back from `cost` and takes a step, with what the pass saw of the batch.
    pub(super) fn learn(
        &mut self,
        cost: &Tensor,
        seen: Vec<(Weight, Tensor)>,
        rate: f64,
        peers: &dyn Peers,
    ) -> Result<()> {
        let mut gradients = cost.backward()?;
        peers.average(&mut gradients, self.weights.variables())?;
        self.adam.update(self.weights.variables(), &gradients, rate)?;
        let (statistics, seen): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
        self.weights.follow(statistics.into_iter().zip(peers.mean(seen)?).collect())
    }
}

impl Run {
    /// A run that has not taken a step, from fresh weights or from `start`.
    ///
    /// # Errors
    /// A usage error where the recipe cannot be, a model error where `start` is of another network; those of
    /// [`Objective::open`].
    pub fn new(
        recipe: Recipe,
        start: Option<&Finished>,
        teacher: Option<&Finished>,
        sources: &Sources,
        device: &Device,
    ) -> Result<Self> {
        recipe.validate()?;
        let mut random = Random::new(recipe.seed);
        let generator = papers::generator(&recipe.generator)?;
        let graph = generator.graph.clone();
        let mut learner = Learner::new(graph, &recipe.optimiser, recipe.decay, &mut random, device)?;
        if let Some(start) = start {
            learner.weights.fill(&start.fitted(&recipe.generator)?)?;
            learner.adam = Adam::new(learner.weights.variables(), recipe.decay)?.with_betas(recipe.optimiser.betas);
        }
        let largest = generator.heads.iter().map(|head| head.scale).max().unwrap_or(1);
        let adversary = recipe.adversary.as_ref().map(|adversary| {
            let graph = papers::discriminator(&adversary.name, adversary.channels, recipe.patch * largest)?;
            Learner::new(graph, &adversary.optimiser, 0.0, &mut random, device)
        });
        let teacher = match (&recipe.loss.teacher, teacher) {
            (Some(_), None) => {
                return Err(Error::usage("the recipe has a teacher").fix("give its weights with --teacher FILE"));
            }
            (Some(wanted), Some(teacher)) => Some(Master::new(teacher, &generator, wanted, device)?),
            (None, _) => None,
        };
        let (adversary, objective) = (adversary.transpose()?, Objective::open(&recipe, sources, device)?);
        let device = device.clone();
        let (history, peers) = (Vec::new(), Box::new(Alone));
        Ok(Self { recipe, history, step: 0, peers, generator, learner, adversary, objective, teacher, device })
    }

    /// The same run as one of `peers`, who all stand where it stands.
    ///
    /// # Errors
    /// A usage error where they cannot share a batch; an internal error where they stand elsewhere.
    pub fn joined(self, peers: Box<dyn Peers>) -> Result<Self> {
        peers.share(self.recipe.batch)?;
        let run = Self { peers, ..self };
        run.agree()?;
        Ok(run)
    }

    /// Checks that every rank stands where this one does.
    ///
    /// # Errors
    /// An internal error where one does not.
    pub fn agree(&self) -> Result<()> {
        self.peers.agree(&self.device, || self.bytes(&[]))
    }

    /// The run as it goes on by `recipe`, which is its own but for the number of steps.
    ///
    /// # Errors
    /// A usage error where more differs, or the run has taken more steps already.
    pub fn lengthened(self, recipe: Recipe) -> Result<Self> {
        if recipe != (Recipe { steps: recipe.steps, ..self.recipe.clone() }) {
            return Err(Error::usage("the checkpoint was made by another recipe")
                .fix("give the same recipe, values and --start (steps alone may differ), or another folder"));
        }
        if recipe.steps < self.step {
            return Err(Error::usage(format!("the run has taken {} steps already", self.step))
                .fix(format!("set steps to more than {}", self.step)));
        }
        Ok(Self { recipe, ..self })
    }

    /// The head that step `step` trains: in turn, where there are several.
    pub fn head(&self, step: u64) -> (usize, Head) {
        let index = (step % self.generator.heads.len().max(1) as u64) as usize;
        (index, self.generator.heads[index])
    }

    /// The enlargements that are trained.
    pub fn scales(&self) -> Vec<usize> {
        self.generator.heads.iter().map(|head| head.scale).collect()
    }

    /// The random numbers of step `step`: a stream of its own, so that a resumed run and a worker that runs ahead cut the
    /// same batches.
    pub fn random(seed: u64, step: u64) -> Random {
        Random::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D).wrapping_add(step.wrapping_mul(2)))
    }

    fn tensors(&self, patches: &Patches, scale: usize) -> Result<(Tensor, Tensor)> {
        let Size { width, height } = patches.size;
        let low = Tensor::from_slice(&patches.low, (patches.count, 3, height, width), &self.device)?;
        let shape = (patches.count, 3, height * scale, width * scale);
        Ok((low, Tensor::from_slice(&patches.high, shape, &self.device)?))
    }

    /// Takes a step on `patches` of the scale that [`Run::head`] says.
    ///
    /// # Errors
    /// Where a loss is no number any more (its network learns nothing then), shapes do not fit or the device fails.
    pub fn take_step(&mut self, patches: &Patches) -> Result<Costs> {
        let (_, head) = self.head(self.step);
        let painter = Painter::new(self.generator.colour, patches.size, head.scale, &self.device)?;
        let (low, real) = self.tensors(patches, head.scale)?;
        let (rate, steps) = (self.recipe.optimiser.rate(self.step, self.recipe.steps), self.recipe.steps);
        let mut wanted = vec![head.value];
        wanted.extend(self.generator.supervised.iter().copied());
        wanted.extend(self.teacher.as_ref().and(self.generator.hidden));
        let input = self.recipe.precision.cast(&painter.input(&low)?)?;
        let pass = self.learner.graph.forward(&self.learner.weights.tensors(), &input, &wanted, Mode::Training)?;
        let made = painter.picture(&pass.values[0], &low)?;
        let mut costs = Costs::new();
        let settling = self.recipe.adversary.as_ref().is_some_and(|adversary| self.step < adversary.head_start);
        if !settling {
            let mut terms = self.objective.costs(&made, &real, &painter)?;
            terms.extend(self.supervised(&pass.values, &painter, &low, &real)?);
            terms.extend(self.taught(&pass.values, &painter, &low)?);
            terms.extend(self.adversarial(&made, &real)?);
            let total = sum(&terms)?.ok_or_else(|| Error::usage("the recipe has no loss"))?;
            for (name, term) in &terms {
                *costs.entry(name).or_default() += f64::from(term.to_scalar::<f32>()?);
            }
            costs.insert("loss", self.finite(&total)?);
            self.learner.learn(&total, pass.statistics, rate, &*self.peers)?;
        }
        if let (Some(adversary), Some(opponent)) = (self.recipe.adversary.clone(), &mut self.adversary) {
            let mut random = Self::random(self.recipe.seed, (self.step << 1) | 1);
            // One number a patch, and this rank's patches come after those of the ranks before it.
            for _ in 0..self.peers.rank() * patches.count {
                random.unit();
            }
            let encounter =
                Encounter { adversary: &adversary, precision: self.recipe.precision, step: self.step, steps };
            let seen = encounter.oppose(opponent, (&real, &made.detach()), &mut random, &*self.peers)?;
            costs.extend(seen);
        }
        self.step += 1;
        Ok(costs)
    }

    fn finite(&self, cost: &Tensor) -> Result<f64> {
        let cost = self.peers.mean_number(cost)?;
        if cost.is_finite() {
            return Ok(cost);
        }
        Err(Error::input(format!("the loss is no number any more at step {}", self.step + 1))
            .fix("go on from the checkpoint with a lower rate, or lengthen the warm-up"))
    }

    /// Refuses a run whose weights are no numbers any more, as a gradient without bound leaves them behind a loss that still
    /// was one: it must not take the last good checkpoint's place.
    ///
    /// # Errors
    /// An input error where they are not, or the device fails.
    pub fn sound(&self) -> Result<()> {
        for learner in std::iter::once(&self.learner).chain(&self.adversary) {
            let table = learner.weights.table()?;
            let lost = table.iter().find(|(_, values)| values.iter().any(|value| !value.is_finite()));
            if let Some((name, _)) = lost {
                return Err(Error::input(format!(
                    "the weights '{name}' are no numbers any more at step {}",
                    self.step
                ))
                .fix("go on from the checkpoint with a lower rate, or lengthen the warm-up"));
            }
        }
        Ok(())
    }

    /// Pictures that the paper supervises beside the last one: their mean cost, by the pixel loss.
    fn supervised(&self, values: &[Tensor], painter: &Painter, low: &Tensor, real: &Tensor) -> Result<Vec<Cost>> {
        let count = self.generator.supervised.len();
        let Some(pixel) = self.recipe.loss.pixel.as_ref().filter(|_| count > 0) else { return Ok(Vec::new()) };
        let mut costs = Vec::new();
        for value in &values[1..=count] {
            let cost = pixel.cost(&painter.picture(value, low)?, real, painter)?;
            costs.push(("supervised", (cost / count as f64)?));
        }
        Ok(costs)
    }

    /// What differs from the teacher: its picture, and where its last features answer.
    fn taught(&self, values: &[Tensor], painter: &Painter, low: &Tensor) -> Result<Vec<Cost>> {
        let (Some(master), Some(weights)) = (&self.teacher, &self.recipe.loss.teacher) else { return Ok(Vec::new()) };
        let scale = self.head(self.step).1.scale;
        let head = master.generator.head(scale)?;
        let (_, _, height, width) = low.dims4()?;
        let own = Painter::new(master.generator.colour, Size::new(width, height), scale, &self.device)?;
        let mut wanted = vec![head.value];
        wanted.extend(master.generator.hidden);
        let input = self.recipe.precision.cast(&own.input(low)?)?;
        let shown = master.generator.graph.forward(&master.weights, &input, &wanted, Mode::Judging)?.values;
        let (made, told) = (painter.picture(&values[0], low)?, own.picture(&shown[0], low)?);
        let mut costs = vec![("teacher", ((made - told)?.abs()?.mean_all()? * weights.output)?)];
        if let (true, Some(_), Some(features)) = (weights.attention > 0.0, self.generator.hidden, shown.get(1)) {
            let own = values.last().ok_or_else(|| Error::internal("no features were made"))?;
            let gap = (attention(own)? - attention(features)?)?.sqr()?.mean_all()?;
            costs.push(("attention", (gap * weights.attention)?));
        }
        Ok(costs)
    }

    fn adversarial(&self, made: &Tensor, real: &Tensor) -> Result<Vec<Cost>> {
        let (Some(adversary), Some(opponent)) = (&self.recipe.adversary, &self.adversary) else {
            return Ok(Vec::new());
        };
        let weights = opponent.weights.frozen();
        let precision = self.recipe.precision;
        let logits =
            |picture: &Tensor| opponent.graph.run(&weights, &precision.cast(picture)?, Mode::Training)?.first();
        let fake = logits(made)?;
        let real = if adversary.game.compares() { logits(real)? } else { fake.detach() };
        Ok(vec![("adversarial", (adversary.game.generator(&real, &fake)? * adversary.weight)?)])
    }

    /// The generator's averaged weights, with its running statistics.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn averaged(&self) -> Result<Table> {
        let mut table = self.learner.weights.table()?;
        for (name, [_, _, average]) in self.learner.weights.names().zip(self.learner.adam.state()?) {
            table.insert(name.to_string(), average);
        }
        Ok(table)
    }

    /// The pictures that the averaged weights make of `patches`, `[count, 3, h·r, w·r]`, clamped and rounded to 8 bits, and
    /// the originals.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn show(&self, weights: &[Tensor], patches: &Patches, head: Head) -> Result<(Tensor, Tensor)> {
        let painter = Painter::new(self.generator.colour, patches.size, head.scale, &self.device)?;
        let (low, real) = self.tensors(patches, head.scale)?;
        let made = self.learner.graph.forward(weights, &painter.input(&low)?, &[head.value], Mode::Judging)?.first()?;
        let picture = painter.picture(&made, &low)?.clamp(0.0, 1.0)?;
        Ok((((picture * 255.0)?.round()? / 255.0)?, real))
    }

    /// The averaged weights on the device.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn average_tensors(&self) -> Result<Vec<Tensor>> {
        let mut weights = Weights::new(&self.learner.graph, &mut Random::new(0), &self.device)?;
        weights.fill(&self.averaged()?)?;
        Ok(weights.frozen())
    }

    /// Where the run computes.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

fn sum(terms: &[Cost]) -> Result<Option<Tensor>> {
    let mut total: Option<Tensor> = None;
    for (_, term) in terms {
        total = Some(match total {
            None => term.clone(),
            Some(total) => (total + term)?,
        });
    }
    Ok(total)
}

/// Where `features` `[batch, channels, height, width]` answer: squares summed over channels, divided by their length.
fn attention(features: &Tensor) -> Result<Tensor> {
    let map = features.sqr()?.sum(1)?.flatten_from(1)?;
    let length = (map.sqr()?.sum_keepdim(1)? + 1e-12)?.sqrt()?;
    Ok(map.broadcast_div(&length)?)
}
