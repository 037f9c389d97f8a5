//! One operator's attributes and one tensor's numbers, read plainly.

use super::proto::{AttributeProto, NodeProto, TensorProto, element};

/// An operator's attributes by name.
#[derive(Clone, Copy)]
pub struct Attributes<'a>(pub &'a NodeProto);

impl<'a> Attributes<'a> {
    /// The attribute of that name.
    pub fn get(self, name: &str) -> Option<&'a AttributeProto> {
        self.0.attribute.iter().find(|a| a.name == name)
    }

    /// An integer.
    pub fn int(self, name: &str, default: i64) -> i64 {
        self.get(name).and_then(|a| a.i).unwrap_or(default)
    }

    /// A list of integers.
    pub fn ints(self, name: &str) -> Option<&'a [i64]> {
        self.get(name).map(|a| a.ints.as_slice())
    }

    /// A text.
    pub fn text(self, name: &str, default: &'static str) -> &'a str {
        self.get(name).and_then(|a| std::str::from_utf8(a.s.as_deref()?).ok()).unwrap_or(default)
    }
}

/// Most elements of a tensor whose numbers matter for shapes.
pub(super) const KNOWN: usize = 1024;

/// The numbers of a short stored tensor; nothing where it is long or of an unusual type.
pub(super) fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    let elements = tensor.dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?))?;
    if elements > KNOWN {
        return None;
    }
    if elements == 0 {
        return Some(Vec::new());
    }
    let raw = &tensor.raw_data;
    let numbers: Vec<f64> = match (tensor.data_type, raw.is_empty()) {
        (element::F32, false) => raw.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
        (element::F64, false) => raw.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        (element::I32, false) => raw.as_chunks().0.iter().map(|&b| f64::from(i32::from_le_bytes(b))).collect(),
        (element::I64, false) => raw.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect(),
        (element::U8 | element::BOOL, false) => raw.iter().map(|&b| f64::from(b)).collect(),
        (element::I8, false) => raw.iter().map(|&b| f64::from(b as i8)).collect(),
        (element::F32, true) => tensor.float_data.iter().map(|&v| f64::from(v)).collect(),
        (element::F64, true) => tensor.double_data.clone(),
        (element::I64, true) => tensor.int64_data.iter().map(|&v| v as f64).collect(),
        (element::I32 | element::U8 | element::I8 | element::BOOL, true) => {
            tensor.int32_data.iter().map(|&v| f64::from(v)).collect()
        }
        _ => return None,
    };
    (numbers.len() == elements).then_some(numbers)
}

/// Whether a stored tensor holds integers (or booleans), whose division truncates.
pub(super) fn is_integer(data_type: i32) -> bool {
    !matches!(data_type, element::F32 | element::F16 | element::F64)
}
