//! Gradients of whole networks against differences, and that each can learn one batch by heart.

use super::tiny;
use crate::host::graph::{Graph, Mode, Table, Value, Weights};
use crate::host::loss::Loss;
use crate::host::ops::Bicubic;
use crate::host::optimise::Adam;
use crate::host::papers::{Choice, discriminator, generator};
use crate::host::random::Random;
use candle_core::{Device, Tensor};

fn noise(random: &mut Random, shape: &[usize]) -> Tensor {
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| random.unit() as f32).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Weights that let every layer be felt, whatever a paper starts from: He's deviation, and a tenth for what is no kernel.
fn felt(graph: &Graph, random: &mut Random) -> Weights {
    let mut weights = Weights::new(graph, random, &Device::Cpu).unwrap();
    let mut table: Table = weights.table().unwrap();
    for parameter in graph.parameters() {
        let kernel = parameter.shape.len() > 1;
        let deviation = (2.0 / parameter.shape[1..].iter().product::<usize>() as f64).sqrt();
        for value in table.get_mut(&parameter.name).into_iter().flatten() {
            *value = if kernel { (deviation * random.normal()) as f32 } else { *value + 0.1 * random.unit() as f32 };
        }
    }
    weights.fill(&table).unwrap();
    weights
}

/// A cost that grows with each number of what is made, by an amount of its own: slopes of one sign, so that a ReLU more or less
/// does not count for much.
struct Cost<'a> {
    graph: &'a Graph,
    wanted: Vec<Value>,
    probes: Vec<Tensor>,
    mode: Mode,
}

impl<'a> Cost<'a> {
    fn new(graph: &'a Graph, weights: &[Tensor], x: &Tensor, mode: Mode) -> Self {
        let wanted = graph.outputs.clone();
        let made = graph.forward(weights, x, &wanted, mode).unwrap().values;
        let random = &mut Random::new(8);
        let probe = |y: &Tensor| (noise(random, y.dims()) + 0.2).unwrap();
        Self { graph, probes: made.iter().map(probe).collect(), wanted, mode }
    }

    /// As candle differentiates it.
    fn tensor(&self, weights: &[Tensor], x: &Tensor) -> Tensor {
        let made = self.graph.forward(weights, x, &self.wanted, self.mode).unwrap().values;
        let costs = made.iter().zip(&self.probes).map(|(y, probe)| (y * probe).unwrap().sum_all().unwrap());
        costs.reduce(|sum, cost| (sum + cost).unwrap()).unwrap()
    }

    /// Summed in double precision.
    fn number(&self, weights: &[Tensor], x: &Tensor) -> f64 {
        let made = self.graph.forward(weights, x, &self.wanted, self.mode).unwrap().values;
        let pairs = made.iter().zip(&self.probes).flat_map(|(y, probe)| values(y).into_iter().zip(values(probe)));
        pairs.map(|(y, probe)| f64::from(y) * f64::from(probe)).sum()
    }
}

/// Holds a few derivatives of each tensor to differences, within 3 % of the tensor's greatest. Where the slopes before and behind a
/// place differ, the step has crossed the kink of a ReLU and tells nothing: most must tell, and all of those fit.
fn check(name: &str, graph: &Graph, x: &Tensor, mode: Mode) {
    const STEP: f32 = 1e-3;
    let random = &mut Random::new(5);
    let weights = felt(graph, random);
    let cost = Cost::new(graph, &weights.frozen(), x, mode);
    let here = cost.number(&weights.frozen(), x);
    let gradients = cost.tensor(&weights.tensors(), x).backward().unwrap();
    let (mut checked, mut told) = (0, 0);
    for (which, tensor) in weights.tensors().iter().enumerate().filter(|(_, tensor)| tensor.is_variable()) {
        let gradient = gradients.get(tensor).unwrap_or_else(|| panic!("{name}: weight {which} is not learned"));
        let (gradient, at) = (values(gradient), values(tensor));
        let greatest = gradient.iter().fold(0.0f32, |most, slope| most.max(slope.abs()));
        let near = f64::from(0.03 * greatest) + 4e-3;
        for n in (0..3).map(|_| random.below(at.len())) {
            let slope = |step: f32| {
                let mut moved = at.clone();
                moved[n] += step;
                let mut all = weights.frozen();
                all[which] = Tensor::from_vec(moved.clone(), tensor.shape(), &Device::Cpu).unwrap();
                (cost.number(&all, x) - here) / f64::from(moved[n] - at[n])
            };
            let (before, behind) = (slope(-STEP), slope(STEP));
            checked += 1;
            if (before - behind).abs() < near {
                told += 1;
                let (middle, got) = (0.5 * (before + behind), f64::from(gradient[n]));
                let parameter = &graph.parameters()[which].name;
                assert!((got - middle).abs() < near, "{name}: {parameter}[{n}]: {got}, not {middle}, of {greatest}");
            }
        }
    }
    assert!(told * 10 >= 8 * checked, "{name}: only {told} of {checked} tell");
}

/// Every network in small.
fn all() -> [Choice; 12] {
    [
        tiny("edge", 2, 4, 2),
        tiny("separable", 2, 4, 2),
        tiny("srcnn", 2, 8, 5),
        tiny("espcn", 3, 8, 1),
        tiny("vdsr", 2, 4, 3),
        tiny("drcn", 2, 4, 3),
        tiny("srresnet", 2, 4, 2),
        tiny("enhancenet", 4, 4, 2),
        tiny("edsr", 2, 4, 2),
        tiny("mdsr", 4, 4, 1),
        tiny("rcan", 2, 4, 2),
        tiny("esrgan", 4, 4, 1),
    ]
}

#[test]
fn gradients_equal_differences() {
    for choice in all() {
        let mut built = generator(&choice).unwrap();
        built.graph.outputs = built.heads.iter().map(|head| head.value).chain(built.supervised.clone()).collect();
        let x = noise(&mut Random::new(3), &[2, built.colour.planes(), 8, 7]);
        check(&choice.name, &built.graph, &x, Mode::Training);
    }
}

#[test]
fn gradients_of_the_discriminator_equal_differences() {
    let graph = discriminator("vgg128", 2, 64).unwrap();
    let x = noise(&mut Random::new(3), &[3, 3, 64, 64]);
    check("vgg128", &graph, &x, Mode::Training);
    // By operators that can be differentiated twice it is the same network.
    let weights = felt(&graph, &mut Random::new(5)).frozen();
    let [once, twice] =
        [Mode::Training, Mode::Twice].map(|mode| values(&graph.run(&weights, &x, mode).unwrap().values[0]));
    assert!(once.iter().zip(&twice).all(|(a, b)| (a - b).abs() < 1e-3 * (1.0 + a.abs())), "{once:?} {twice:?}");
}

/// At first DRCN's recursions change nothing: all its pictures are one.
#[test]
fn recursions_start_from_the_identity() {
    let built = generator(&tiny("drcn", 2, 8, 4)).unwrap();
    let weights = Weights::new(&built.graph, &mut Random::new(2), &Device::Cpu).unwrap().frozen();
    let x = noise(&mut Random::new(3), &[1, 1, 6, 5]);
    let mut wanted = built.supervised.clone();
    wanted.push(built.heads[0].value);
    let made = built.graph.forward(&weights, &x, &wanted, Mode::Judging).unwrap().values;
    assert_eq!(made.len(), 5);
    let first = values(&made[0]);
    for other in &made[1..] {
        assert!(values(other).iter().zip(&first).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

/// The picture `n`: a slope, waves and an edge, different for each, of `planes` planes of `side` × `side` samples, each the
/// mean of its area.
fn painting(n: usize, planes: usize, side: usize) -> Vec<f32> {
    const FINE: usize = 96;
    let turn = n as f32 * 0.8;
    let sample = |c: usize, x: usize, y: usize| {
        let (u, v) = ((x as f32 + 0.5) / FINE as f32, (y as f32 + 0.5) / FINE as f32);
        let (along, across) = (u * turn.cos() + v * turn.sin(), v * turn.cos() - u * turn.sin());
        let waves = 0.15 * (22.0 * along * (1.0 + 0.3 * c as f32)).sin() * (17.0 * across + c as f32).cos();
        0.3 + 0.2 * u + waves + if along + 0.7 * across > 0.3 { 0.3 } else { 0.0 }
    };
    let block = FINE / side;
    let mean = |c: usize, x: usize, y: usize| {
        let places = (0..block * block).map(|n| sample(c, x * block + n % block, y * block + n / block));
        places.sum::<f32>() / (block * block) as f32
    };
    (0..planes * side * side).map(|n| mean(n / (side * side), n % side, n / side % side)).collect()
}

/// Eight of them as a batch.
fn paintings(planes: usize, side: usize) -> Tensor {
    let samples: Vec<f32> = (0..8).flat_map(|n| painting(n, planes, side)).collect();
    Tensor::from_vec(samples, (8, planes, side, side), &Device::Cpu).unwrap()
}

/// Learns eight pictures for `steps` of Adam. The mean L1 of all heads at last, and of bicubic enlargement.
fn learn(choice: &Choice, steps: u64, rate: f64) -> [f32; 2] {
    const SIDE: usize = 8;
    let built = generator(choice).unwrap();
    let planes = built.colour.planes();
    let x = paintings(planes, SIDE);
    let targets: Vec<Tensor> = built.heads.iter().map(|head| paintings(planes, SIDE * head.scale)).collect();
    let count = targets.len() as f64;
    let wanted: Vec<Value> = built.heads.iter().map(|head| head.value).collect();
    let mut weights = Weights::new(&built.graph, &mut Random::new(1), &Device::Cpu).unwrap();
    let mut adam = Adam::new(weights.variables(), 0.9).unwrap();
    let mut last = f32::NAN;
    for step in 0..steps {
        let pass = built.graph.forward(&weights.tensors(), &x, &wanted, Mode::Training).unwrap();
        let costs = pass.values.iter().zip(&targets).map(|(y, target)| Loss::L1.mean(y, target).unwrap());
        let cost = (costs.reduce(|sum, cost| (sum + cost).unwrap()).unwrap() / count).unwrap();
        last = cost.to_scalar::<f32>().unwrap();
        let falling = rate * (1.0 - 0.95 * step as f64 / steps as f64);
        adam.update(weights.variables(), &cost.backward().unwrap(), falling).unwrap();
        weights.follow(pass.statistics).unwrap();
    }
    let enlarge = |(target, scale): (&Tensor, usize)| {
        let base = Bicubic::new(SIDE, SIDE, scale, &Device::Cpu).unwrap().enlarge(&x).unwrap();
        Loss::L1.mean(&base, target).unwrap().to_scalar::<f32>().unwrap()
    };
    let bases = targets.iter().zip(built.heads.iter().map(|head| head.scale)).map(enlarge);
    [last, bases.sum::<f32>() / count as f32]
}

/// In 300 steps every network learns eight pictures by heart, as far as it can hold them in small: the L1 falls to the share
/// beside it of what bicubic enlargement has, most of which is waves that the small pictures hardly hold.
#[test]
fn eight_pictures_are_learned_by_heart() {
    for (name, scale, channels, blocks, rate, share) in [
        ("edge", 2, 12, 2, 1.5e-3, 0.4),
        ("separable", 2, 12, 2, 5e-3, 0.55),
        ("srcnn", 2, 32, 5, 1e-3, 0.7),
        ("espcn", 3, 24, 1, 1e-2, 0.7),
        ("vdsr", 2, 32, 3, 3e-3, 0.73),
        ("drcn", 2, 12, 3, 5e-3, 0.66),
        ("srresnet", 2, 24, 2, 1e-2, 0.62),
        ("enhancenet", 4, 12, 2, 1.5e-3, 0.72),
        ("edsr", 2, 12, 2, 5e-3, 0.32),
        ("mdsr", 4, 12, 1, 5e-3, 0.32),
        ("rcan", 2, 12, 2, 5e-3, 0.32),
        ("esrgan", 4, 32, 1, 3e-3, 0.8),
    ] {
        let [last, base] = learn(&tiny(name, scale, channels, blocks), 300, rate);
        assert!(last < share * base, "{name}: {last} of {base}, {}", last / base);
    }
}
