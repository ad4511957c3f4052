//! Turns the bytes of attributes into values, values into one canonical form, and into Python objects.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::error::{Decoded, Malformed};
use crate::otlp::wire::{Reader, Wire};

const MOST_DEPTH: u32 = 32;
/// Another process has other values of these, though it does the same.
const OF_ONE_PROCESS: [&str; 7] = [
    "service.instance.id",
    "process.pid",
    "process.parent_pid",
    "process.creation.time",
    "container.id",
    "k8s.pod.name",
    "k8s.pod.uid",
];

#[derive(Debug, Clone, PartialEq, Default)]
pub enum AnyValue {
    #[default]
    Empty,
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Array(Vec<AnyValue>),
    Map(Attributes),
}

/// Attributes in the order of their keys.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes(Vec<(String, AnyValue)>);

impl Attributes {
    /// Reads every field `number` of the messages as a `KeyValue`.
    pub fn read<'a>(messages: impl IntoIterator<Item = &'a [u8]>, number: u32) -> Decoded<Self> {
        let mut found = Self::default();
        for message in messages {
            found.extend(Reader::new(message)?, number, 0)?;
        }
        found.sort();
        Ok(found)
    }

    fn extend(&mut self, mut message: Reader<'_>, number: u32, depth: u32) -> Decoded<()> {
        while let Some(field) = message.next()? {
            if let (found, Wire::Len(pair)) = field
                && found == number
            {
                self.0.push(key_value(pair, depth)?);
            }
        }
        Ok(())
    }

    fn sort(&mut self) {
        self.0.sort_by(|a, b| a.0.cmp(&b.0));
    }

    /// Appends a form that is the same for every order of the same attributes.
    pub fn canonical(&self, out: &mut Vec<u8>) {
        length(self.0.len(), out);
        for (key, value) in &self.0 {
            text(key.as_bytes(), out);
            value.canonical(out);
        }
    }

    /// As `canonical`, without what tells a process from the one that takes its place.
    pub fn kindred(&self, out: &mut Vec<u8>) {
        for (key, value) in self.0.iter().filter(|(key, _)| !OF_ONE_PROCESS.contains(&key.as_str())) {
            text(key.as_bytes(), out);
            value.canonical(out);
        }
    }

    pub fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (key, value) in &self.0 {
            dict.set_item(key, value.to_python(py)?)?;
        }
        Ok(dict)
    }
}

fn key_value(mut message: Reader<'_>, depth: u32) -> Decoded<(String, AnyValue)> {
    let mut key = "";
    let mut value = AnyValue::Empty;
    while let Some(field) = message.next()? {
        match field {
            (1, Wire::Len(name)) => key = name.text()?,
            (2, Wire::Len(message)) => value.merge(message, depth + 1)?,
            _ => {}
        }
    }
    value.sort();
    Ok((key.to_owned(), value))
}

impl AnyValue {
    /// Reads an `AnyValue` over what is already there, as protobuf merges a repeated message.
    fn merge(&mut self, mut message: Reader<'_>, depth: u32) -> Decoded<()> {
        if depth > MOST_DEPTH {
            return Err(Malformed::Depth);
        }
        while let Some(field) = message.next()? {
            match field {
                (1, Wire::Len(value)) => *self = Self::Text(value.text()?.to_owned()),
                (2, Wire::Varint(value)) => *self = Self::Bool(value != 0),
                (3, Wire::Varint(value)) => *self = Self::Int(value.cast_signed()),
                (4, Wire::Fixed64(bits)) => *self = Self::Double(f64::from_bits(bits)),
                (5, Wire::Len(value)) => self.merge_array(value, depth)?,
                (6, Wire::Len(value)) => self.merge_map(value, depth)?,
                (7, Wire::Len(value)) => *self = Self::Bytes(value.bytes().to_vec()),
                _ => {}
            }
        }
        Ok(())
    }

    fn merge_array(&mut self, mut message: Reader<'_>, depth: u32) -> Decoded<()> {
        if !matches!(self, Self::Array(_)) {
            *self = Self::Array(Vec::new());
        }
        while let Some(field) = message.next()? {
            if let (1, Wire::Len(item)) = field {
                let mut value = Self::Empty;
                value.merge(item, depth + 1)?;
                value.sort();
                if let Self::Array(items) = self {
                    items.push(value);
                }
            }
        }
        Ok(())
    }

    fn merge_map(&mut self, message: Reader<'_>, depth: u32) -> Decoded<()> {
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(Attributes::default());
        }
        match self {
            Self::Map(attributes) => attributes.extend(message, 1, depth),
            _ => Ok(()),
        }
    }

    fn sort(&mut self) {
        if let Self::Map(attributes) = self {
            attributes.sort();
        }
    }

    fn canonical(&self, out: &mut Vec<u8>) {
        match self {
            Self::Empty => out.push(0),
            Self::Text(value) => tagged(1, value.as_bytes(), out),
            Self::Bool(value) => out.extend([2, u8::from(*value)]),
            Self::Int(value) => fixed(3, value.cast_unsigned(), out),
            // All that is not a number is one value, whatever its bits.
            Self::Double(value) if value.is_nan() => fixed(4, f64::NAN.to_bits(), out),
            Self::Double(value) => fixed(4, value.to_bits(), out),
            Self::Bytes(value) => tagged(5, value, out),
            Self::Array(items) => {
                fixed(6, items.len() as u64, out);
                for item in items {
                    item.canonical(out);
                }
            }
            Self::Map(attributes) => {
                out.push(7);
                attributes.canonical(out);
            }
        }
    }

    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Empty => py.None().into_bound(py),
            Self::Text(value) => value.into_pyobject(py)?.into_any(),
            Self::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
            Self::Int(value) => value.into_pyobject(py)?.into_any(),
            Self::Double(value) => value.into_pyobject(py)?.into_any(),
            Self::Bytes(value) => PyBytes::new(py, value).into_any(),
            Self::Array(items) => {
                let list = PyList::empty(py);
                for item in items {
                    list.append(item.to_python(py)?)?;
                }
                list.into_any()
            }
            Self::Map(attributes) => attributes.to_python(py)?.into_any(),
        })
    }
}

pub fn text(bytes: &[u8], out: &mut Vec<u8>) {
    length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn length(value: usize, out: &mut Vec<u8>) {
    out.extend((value as u64).to_le_bytes());
}

fn fixed(tag: u8, value: u64, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend(value.to_le_bytes());
}

fn tagged(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    text(bytes, out);
}

/// The attributes of a resource, and their Python form once anybody has asked for it.
pub struct ResourceValues {
    attributes: Attributes,
    python: PyOnceLock<Py<PyDict>>,
}

impl ResourceValues {
    pub fn read(messages: &[&[u8]]) -> Decoded<Self> {
        let attributes = Attributes::read(messages.iter().copied(), 1)?;
        Ok(Self { attributes, python: PyOnceLock::new() })
    }

    pub fn canonical(&self, out: &mut Vec<u8>) {
        self.attributes.canonical(out);
    }

    pub fn kindred(&self, out: &mut Vec<u8>) {
        self.attributes.kindred(out);
    }

    pub fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let made = || self.attributes.to_python(py).map(Bound::unbind);
        self.python.get_or_try_init(py, made).map(|dict| dict.bind(py).clone())
    }
}

/// Name, version and attributes of an instrumentation scope.
#[derive(Debug, Clone, Default)]
pub struct ScopeValues {
    pub name: String,
    pub version: String,
    attributes: Attributes,
}

impl ScopeValues {
    pub fn read(messages: &[&[u8]]) -> Decoded<Self> {
        let mut scope =
            Self { attributes: Attributes::read(messages.iter().copied(), 3)?, ..Self::default() };
        for message in messages {
            let mut fields = Reader::new(message)?;
            while let Some(field) = fields.next()? {
                match field {
                    (1, Wire::Len(name)) => name.text()?.clone_into(&mut scope.name),
                    (2, Wire::Len(version)) => version.text()?.clone_into(&mut scope.version),
                    _ => {}
                }
            }
        }
        Ok(scope)
    }

    pub fn canonical(&self, out: &mut Vec<u8>) {
        text(self.name.as_bytes(), out);
        text(self.version.as_bytes(), out);
        self.attributes.canonical(out);
    }
}
