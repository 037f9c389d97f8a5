//! What stands between convolutions: activations, sums, scales. Where one can be done as a convolution's rows are made, it
//! becomes part of the convolution.

use super::builder::Meaning;
use super::constant::Constant;
use super::{Call, Refusal, Understood};
use crate::engine::network::{Make, MapId, Spread};
use crate::kernel::stream::{Activation, Filter, PixelShuffle};

/// Most channels of a map that is scaled by a convolution of its own: that costs a ninth of what any 3×3 convolution of the map
/// does, and less than a graph that falls apart there, as ESRGAN's would behind each of its blocks.
const MOST_SCALED: usize = 256;

pub(super) fn activation(call: &mut Call) -> Understood {
    match call.meaning(0)? {
        Meaning::Rounding(mut rounding) if call.node.op_type == "Relu" => {
            rounding.rectified = true;
            Ok(Meaning::Rounding(rounding))
        }
        Meaning::Pixels(terms, shuffle) if terms.len() == 1 && terms[0].1 == Spread::Phases => {
            let activation = kind(call, shuffle.planes)?;
            let activation = for_phases(activation, shuffle);
            let id = terms[0].0;
            if call.input_uses(0) == 1 && fuse(call, id, &activation) {
                return Ok(Meaning::Pixels(terms, shuffle));
            }
            let activated = combine(call, id, activation)?;
            Ok(Meaning::Pixels(vec![(activated, Spread::Phases)], shuffle))
        }
        other => {
            let id = call.builder.floats(other)?;
            let activation = kind(call, call.builder.map(id).channels)?;
            if call.input_uses(0) == 1 && fuse(call, id, &activation) {
                return Ok(Meaning::Map(id));
            }
            combine(call, id, activation).map(Meaning::Map)
        }
    }
}

/// The activation on a map of numbers, as a map of its own.
fn combine(call: &mut Call, id: MapId, activation: Activation) -> Result<MapId, Refusal> {
    if call.builder.quantum(id).is_some() {
        return Err("it activates bytes".into());
    }
    let (channels, factor) = (call.builder.map(id).channels, call.builder.map(id).factor);
    Ok(call.builder.push(channels, factor, Make::Combine(activation), &[id]))
}

/// Slopes of planes as slopes of the phases that become them.
fn for_phases(activation: Activation, shuffle: PixelShuffle) -> Activation {
    let Activation::Slopes(slopes) = activation else { return activation };
    let mut phases = vec![0.0; shuffle.planes * shuffle.factor * shuffle.factor];
    for (plane, slope) in slopes.into_iter().enumerate() {
        for phase in 0..shuffle.factor * shuffle.factor {
            phases[shuffle.channel(plane, phase / shuffle.factor, phase % shuffle.factor)] = slope;
        }
    }
    Activation::Slopes(phases)
}

fn kind(call: &Call, channels: usize) -> Result<Activation, Refusal> {
    match call.node.op_type.as_str() {
        "Relu" => Ok(Activation::Rectify),
        "LeakyRelu" => {
            let slope = call.attributes.get("alpha").and_then(|a| a.f).unwrap_or(0.01);
            Ok(Activation::Slopes(vec![slope; channels]))
        }
        "PRelu" => Ok(Activation::Slopes(each_channel(call, 1, channels).ok_or("its slopes are not one a channel")?)),
        _ => {
            let bound = |i: usize, name: &str, none: f32| match call.node.input.get(i).filter(|name| !name.is_empty()) {
                Some(_) => call.constant(i).and_then(Constant::scalar),
                None => Some(call.attributes.get(name).and_then(|a| a.f).unwrap_or(none)),
            };
            let low = bound(1, "min", f32::NEG_INFINITY).ok_or("its bounds are not stored")?;
            let high = bound(2, "max", f32::INFINITY).ok_or("its bounds are not stored")?;
            Ok(Activation::Clip(low, high))
        }
    }
}

/// A stored number for each channel, or one for all.
fn each_channel(call: &Call, input: usize, channels: usize) -> Option<Vec<f32>> {
    let constant = call.constant(input)?;
    let (list, dims) = (constant.floats()?, constant.dims()?);
    if list.len() == 1 {
        return Some(vec![list[0]; channels]);
    }
    // [channels, 1, 1], with or without the batch.
    let along = dims.len().checked_sub(3)?;
    (list.len() == channels && dims.get(along) == Some(&channels)).then_some(list)
}

/// The convolution that makes `id`, if nothing follows it yet.
fn bare<'c>(call: &'c mut Call, id: MapId) -> Option<(&'c mut Filter, &'c mut Option<MapId>)> {
    if call.builder.shared.contains(&id) {
        return None;
    }
    let map = &mut call.builder.network.maps[id];
    match &mut map.make {
        Make::Convolve(filter) if filter.activation == Activation::None => Some((filter, &mut map.add)),
        _ => None,
    }
}

/// Makes the activation part of the convolution that makes `id`.
fn fuse(call: &mut Call, id: MapId, activation: &Activation) -> bool {
    let Some((filter, add)) = bare(call, id) else { return false };
    filter.activation = activation.clone();
    filter.add_first = add.is_some();
    true
}

pub(super) fn add(call: &mut Call) -> Understood {
    if call.inputs.len() != 2 {
        return Err("it has not two inputs".into());
    }
    let (a, b) = match (call.meaning(0), call.meaning(1)) {
        (Ok(a), Ok(b)) => (a, b),
        (Ok(_), Err(_)) => return add_constant(call, 0, 1),
        _ => return add_constant(call, 1, 0),
    };
    match (a, b) {
        (Meaning::Pixels(mut a, one), Meaning::Pixels(b, other)) => {
            let repeated = |terms: &[(MapId, Spread)]| terms.iter().all(|term| term.1 == Spread::Repeated);
            let same_order = one.channels_first == other.channels_first || repeated(&a) || repeated(&b);
            let factor = |terms: &[(MapId, Spread)]| call.builder.map(terms[0].0).factor;
            if (one.factor, one.planes) != (other.factor, other.planes) || !same_order || factor(&a) != factor(&b) {
                return Err("its inputs become pixels in different ways".into());
            }
            let shuffle = if repeated(&a) { other } else { one };
            a.extend(b);
            Ok(Meaning::Pixels(a, shuffle))
        }
        (Meaning::Sum(terms, repeats), other) | (other, Meaning::Sum(terms, repeats)) => {
            sum(call, terms, repeats, other)
        }
        (Meaning::Dequantised(id), other) | (other, Meaning::Dequantised(id)) => {
            sum(call, vec![(id, Spread::Phases)], None, other)
        }
        (a, b) => {
            let (a, b) = (call.builder.floats(a)?, call.builder.floats(b)?);
            add_maps(call, a, b).map(Meaning::Map)
        }
    }
}

/// A sum that gets one more term.
fn sum(
    call: &mut Call,
    mut terms: Vec<(MapId, Spread)>,
    repeats: Option<super::builder::Repeats>,
    other: Meaning,
) -> Understood {
    let mut repeats = repeats;
    match other {
        Meaning::Sum(more, also) => {
            if repeats.is_some() && also.is_some() && repeats != also {
                return Err("its inputs are repeated in different ways".into());
            }
            repeats = repeats.or(also);
            terms.extend(more);
        }
        Meaning::Dequantised(id) => terms.push((id, Spread::Phases)),
        other => terms.push((call.builder.floats(other)?, Spread::Phases)),
    }
    let width = |&(id, spread): &(MapId, Spread)| {
        call.builder.map(id).channels * if spread == Spread::Repeated { repeats.map_or(1, |r| r.times) } else { 1 }
    };
    let factor = call.builder.map(terms[0].0).factor;
    let alike = terms.iter().all(|term| width(term) == width(&terms[0]) && call.builder.map(term.0).factor == factor);
    if alike { Ok(Meaning::Sum(terms, repeats)) } else { Err("its inputs have different shapes".into()) }
}

fn add_maps(call: &mut Call, a: MapId, b: MapId) -> Result<MapId, Refusal> {
    let shape = |call: &Call, id: MapId| (call.builder.map(id).channels, call.builder.map(id).factor);
    if shape(call, a) != shape(call, b) {
        return Err("its inputs have different shapes".into());
    }
    // What is added must be there when the convolution's rows are made.
    let ((host, place), other) = if a > b { ((a, 0), b) } else { ((b, 1), a) };
    let alone = a != b && call.input_uses(place) == 1 && !call.builder.shared.contains(&host);
    let map = &mut call.builder.network.maps[host];
    if let (Make::Convolve(filter), None, true) = (&mut map.make, map.add, alone) {
        filter.add_first = filter.activation == Activation::None;
        map.add = Some(other);
        return Ok(host);
    }
    let (channels, factor) = shape(call, a);
    Ok(call.builder.push(channels, factor, Make::Combine(Activation::None), &[a, b]))
}

fn add_constant(call: &mut Call, at: usize, constant: usize) -> Understood {
    affine(call, at, |call, channels| {
        let add = each_channel(call, constant, channels).ok_or("what it adds is not one number a channel")?;
        Ok((vec![1.0; channels], add))
    })
}

pub(super) fn scale(call: &mut Call) -> Understood {
    let (at, constant) = match (call.meaning(0), call.meaning(1)) {
        (Ok(_), Ok(_)) => return Err("it multiplies two maps".into()),
        (Ok(_), _) => (0, 1),
        _ => (1, 0),
    };
    affine(call, at, |call, channels| {
        let scale =
            each_channel(call, constant, channels).ok_or("what it multiplies by is not one number a channel")?;
        Ok((scale, vec![0.0; channels]))
    })
}

pub(super) fn batch_normalisation(call: &mut Call) -> Understood {
    affine(call, 0, |call, channels| {
        let list = |i: usize| call.constant(i).and_then(Constant::floats).filter(|list| list.len() == channels);
        let (Some(gain), Some(shift), Some(mean), Some(variance)) = (list(1), list(2), list(3), list(4)) else {
            return Err("its statistics are not stored".into());
        };
        let epsilon = call.attributes.get("epsilon").and_then(|a| a.f).unwrap_or(1e-5);
        let scale: Vec<f32> = gain.iter().zip(&variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let shift = shift.iter().zip(&scale).zip(&mean).map(|((b, s), m)| b - s * m).collect();
        Ok((scale, shift))
    })
}

/// Scale and shift of each channel of input `at`: part of the convolution before, or a small one of its own.
fn affine(
    call: &mut Call,
    at: usize,
    numbers: impl Fn(&Call, usize) -> Result<(Vec<f32>, Vec<f32>), Refusal>,
) -> Understood {
    let meaning = call.meaning(at)?;
    let id = call.builder.floats(meaning)?;
    let (channels, factor) = (call.builder.map(id).channels, call.builder.map(id).factor);
    let (scale, shift) = numbers(call, channels)?;
    if call.input_uses(at) == 1
        && let Some((filter, None)) = bare(call, id)
    {
        let each = filter.weights.len() / channels;
        for ((weights, bias), (scale, shift)) in
            filter.weights.chunks_exact_mut(each).zip(&mut filter.bias).zip(scale.iter().zip(&shift))
        {
            for w in weights {
                *w *= scale;
            }
            *bias = *bias * scale + shift;
        }
        return Ok(Meaning::Map(id));
    }
    if channels > MOST_SCALED {
        return Err("it scales a map that no convolution of its own makes".into());
    }
    let mut weights = vec![0.0; channels * channels];
    scale.iter().enumerate().for_each(|(c, &scale)| weights[c * channels + c] = scale);
    let filter = Filter {
        side: 1,
        sources: vec![channels],
        outputs: channels,
        weights,
        bias: shift,
        activation: Activation::None,
        add_first: false,
    };
    Ok(Meaning::Map(call.builder.push(channels, factor, Make::Convolve(filter), &[id])))
}
