//! What moves samples: parts and concatenations of channels, borders, pixels out of channels, enlargement.

use super::builder::{Meaning, Repeats};
use super::constant::Constant;
use super::{Call, Refusal, Understood};
use crate::engine::network::{Make, MapId, Spread};
use crate::kernel::stream::{Activation, Filter, PixelShuffle};

/// Largest whole factor of a resize.
const LARGEST_FACTOR: usize = 16;

fn along_channels(call: &Call) -> Result<(), Refusal> {
    let axis = call.attributes.int("axis", if call.node.op_type == "Split" { 0 } else { i64::MAX });
    if matches!(axis, 1 | -3) { Ok(()) } else { Err(format!("it works along axis {axis}, not along the channels")) }
}

pub(super) fn split(call: &mut Call) -> Result<Vec<Meaning>, Refusal> {
    along_channels(call)?;
    let meaning = call.meaning(0)?;
    let map = call.builder.floats(meaning)?;
    let (channels, parts) = (call.builder.map(map).channels, call.node.output.len());
    let sizes: Vec<usize> = match (call.constant(1).and_then(Constant::integers), call.attributes.ints("split")) {
        (Some(sizes), _) => sizes.iter().map(|&n| n as usize).collect(),
        (None, Some(sizes)) => sizes.iter().map(|&n| n as usize).collect(),
        (None, None) => vec![channels / parts.max(1); parts],
    };
    let total = sizes.iter().try_fold(0_usize, |sum, &n| sum.checked_add(n));
    if sizes.len() != parts || total != Some(channels) {
        return Err("its parts do not fit".into());
    }
    let mut first = 0;
    let mut part = |count| {
        first += count;
        Meaning::Channels { map, first: first - count, count }
    };
    Ok(sizes.into_iter().map(&mut part).collect())
}

pub(super) fn concat(call: &mut Call) -> Understood {
    along_channels(call)?;
    let parts: Vec<Meaning> = (0..call.inputs.len()).map(|i| call.meaning(i)).collect::<Result<_, _>>()?;
    if let Some(repeated) = repeated(call, &parts) {
        return Ok(repeated);
    }
    let mut maps = Vec::new();
    for part in parts {
        maps.extend(call.builder.sources(part)?);
    }
    Ok(Meaning::Joined(maps))
}

/// The channels of one map, each as often as the others.
fn repeated(call: &Call, parts: &[Meaning]) -> Option<Meaning> {
    let mut list = Vec::new();
    for part in parts {
        match part {
            Meaning::Channels { map, first, count } => list.extend((*first..first + count).map(|c| (*map, c))),
            Meaning::Map(map) if call.builder.quantum(*map).is_none() => {
                list.extend((0..call.builder.map(*map).channels).map(|c| (*map, c)));
            }
            _ => return None,
        }
    }
    let map = list.first()?.0;
    let planes = call.builder.map(map).channels;
    let times = list.len() / planes;
    if times < 2 || times * planes != list.len() {
        return None;
    }
    let follows =
        |order: &dyn Fn(usize) -> usize| list.iter().enumerate().all(|(i, &(m, c))| m == map && c == order(i));
    let channels_first = follows(&|i| i / times);
    if !channels_first && !follows(&|i| i % planes) {
        return None;
    }
    Some(Meaning::Sum(vec![(map, Spread::Repeated)], Some(Repeats { times, planes, channels_first })))
}

pub(super) fn depth_to_space(call: &mut Call) -> Understood {
    let factor = usize::try_from(call.attributes.int("blocksize", 0)).unwrap_or(0);
    let channels_first = call.attributes.text("mode", "DCR") == "CRD";
    let (terms, repeats) = match call.meaning(0)? {
        Meaning::Sum(terms, repeats) => (terms, repeats),
        Meaning::Dequantised(id) => (vec![(id, Spread::Phases)], None),
        other => (vec![(call.builder.floats(other)?, Spread::Phases)], None),
    };
    let Some(&(first, spread)) = terms.first() else { return Err("it reads nothing".into()) };
    let channels =
        call.builder.map(first).channels * if spread == Spread::Repeated { repeats.map_or(1, |r| r.times) } else { 1 };
    if !(1..=LARGEST_FACTOR).contains(&factor) || !channels.is_multiple_of(factor * factor) {
        return Err("its block does not fit its channels".into());
    }
    let planes = channels / (factor * factor);
    let in_order = repeats.is_none_or(|r| {
        r.times == factor * factor && r.planes == planes && (planes == 1 || r.channels_first == channels_first)
    });
    if !in_order {
        return Err("channels are repeated in another order than they become pixels".into());
    }
    Ok(Meaning::Pixels(terms, PixelShuffle { factor, planes, channels_first }))
}

pub(super) fn pad(call: &mut Call) -> Understood {
    let edge = match call.attributes.text("mode", "constant") {
        "edge" => true,
        "constant" => {
            let value = call.node.input.get(2).filter(|name| !name.is_empty());
            if value.is_some() && call.constant(2).and_then(Constant::scalar) != Some(0.0) {
                return Err("its border is not zero".into());
            }
            false
        }
        other => return Err(format!("its mode is {other}")),
    };
    if call.node.input.get(3).is_some_and(|name| !name.is_empty()) {
        return Err("it names the axes that it pads".into());
    }
    let pads = match call.attributes.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => call.constant(1).and_then(Constant::integers).ok_or("its border's width is not stored")?,
    };
    let amount = pads.get(2).copied().unwrap_or(-1);
    if pads != [0, 0, amount, amount, 0, 0, amount, amount] || !(0..=8).contains(&amount) {
        return Err("its border is not equally wide on all sides".into());
    }
    let meaning = call.meaning(0)?;
    let map = call.builder.floats(meaning)?;
    Ok(Meaning::Padded { map, amount: amount as usize, edge })
}

pub(super) fn resize(call: &mut Call) -> Understood {
    let factor = resize_factor(call)?;
    let meaning = call.meaning(0)?;
    let map = call.builder.floats(meaning)?;
    let planes = call.builder.map(map).channels;
    let shuffle = PixelShuffle { factor, planes, channels_first: true };
    let place = match call.node.op_type.as_str() {
        "Upsample" => "asymmetric",
        _ => call.attributes.text("coordinate_transformation_mode", "half_pixel"),
    };
    match (call.attributes.text("mode", "nearest"), place) {
        ("nearest", place) => {
            let rounding = match call.node.op_type.as_str() {
                "Upsample" => "floor",
                _ => call.attributes.text("nearest_mode", "round_prefer_floor"),
            };
            match (place, rounding) {
                ("asymmetric", "floor")
                | ("half_pixel" | "pytorch_half_pixel", "round_prefer_floor" | "round_prefer_ceil") => {
                    Ok(Meaning::Pixels(vec![(map, Spread::Repeated)], shuffle))
                }
                _ => Err(format!("nearest neighbours are found by {place} and {rounding}")),
            }
        }
        ("linear", "half_pixel" | "pytorch_half_pixel") => bilinear(call, map, shuffle),
        (mode, place) => Err(format!("it enlarges by {mode} with {place}")),
    }
}

/// The whole factor of both sides.
fn resize_factor(call: &Call) -> Result<usize, Refusal> {
    if call.node.op_type == "Resize"
        && (call.attributes.int("antialias", 0) != 0 || call.attributes.ints("axes").is_some())
    {
        return Err("it is no plain enlargement".into());
    }
    let scales = match (call.node.op_type.as_str(), call.inputs.len()) {
        ("Upsample", _) | ("Resize", 2) => call.constant(1).and_then(Constant::floats),
        _ => call.constant(2).and_then(Constant::floats),
    };
    let scales = scales.or_else(|| call.attributes.get("scales").map(|a| a.floats.clone()));
    let scales = scales.filter(|scales| scales.len() == 4).ok_or("its factors are not stored")?;
    let whole = scales[2].round();
    let even = scales[..2] == [1.0, 1.0] && scales[2..] == [whole; 2];
    if !even || !(1.0..=LARGEST_FACTOR as f32).contains(&whole) {
        return Err(format!("its factors are {scales:?}"));
    }
    Ok(whole as usize)
}

/// Bilinear enlargement: for each phase a 3×3 kernel on the map continued by its edge.
fn bilinear(call: &mut Call, map: MapId, shuffle: PixelShuffle) -> Understood {
    let (planes, factor) = (shuffle.planes, shuffle.factor);
    if planes > 16 {
        return Err("it enlarges many channels bilinearly".into());
    }
    // Weights of the sample before, at and after for each phase.
    let taps = |phase: usize| {
        let at = (phase as f32 + 0.5) / factor as f32 - 0.5;
        if at < 0.0 { [-at, 1.0 + at, 0.0] } else { [0.0, 1.0 - at, at] }
    };
    let outputs = planes * factor * factor;
    let mut weights = vec![0.0; outputs * planes * 9];
    for plane in 0..planes {
        for j in 0..factor {
            for i in 0..factor {
                let output = shuffle.channel(plane, j, i);
                for (tap, weight) in weights[(output * planes + plane) * 9..][..9].iter_mut().enumerate() {
                    *weight = taps(j)[tap / 3] * taps(i)[tap % 3];
                }
            }
        }
    }
    let from = call.builder.edged(map);
    let filter = Filter {
        side: 3,
        sources: vec![planes],
        outputs,
        weights,
        bias: vec![0.0; outputs],
        activation: Activation::None,
        add_first: false,
    };
    let small = call.builder.map(map).factor;
    let phases = call.builder.push(outputs, small, Make::Convolve(filter), &[from]);
    Ok(Meaning::Pixels(vec![(phases, Spread::Phases)], shuffle))
}
