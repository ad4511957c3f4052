//! What exports an Arrow stream into batches whose columns have names and checked types.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::types::{ArrowPrimitiveType, Float64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::Fed;

/// Calls `each` with every batch of what `rows` exports, without the interpreter.
pub fn batches(rows: &Bound<'_, PyAny>, mut each: impl FnMut(RecordBatch) -> Fed<()> + Send) -> PyResult<()> {
    let exported = rows.call_method0("__arrow_c_stream__")?;
    let capsule = exported.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?;
    // SAFETY: a capsule of this name holds a stream of this layout; it is moved out, and what stays is released.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr().cast()) };
    let wrong = |text: String| PyValueError::new_err(text);
    let mut reader = RecordBatchStreamReader::try_new(stream).map_err(|error| wrong(error.to_string()))?;
    rows.py()
        .detach(|| reader.try_for_each(|batch| each(batch.map_err(|error| error.to_string())?)))
        .map_err(wrong)
}

/// Numbers of a column, some of which may be null.
pub struct Numbers<'a, T: ArrowPrimitiveType>(Option<&'a PrimitiveArray<T>>);

impl<T: ArrowPrimitiveType> Numbers<'_, T> {
    #[inline]
    pub fn at(&self, row: usize) -> Option<T::Native> {
        self.0.filter(|array| array.is_valid(row)).map(|array| array.value(row))
    }
}

fn is_null(array: &ArrayRef) -> bool {
    *array.data_type() == DataType::Null
}

fn mistyped(name: &str, array: &ArrayRef, wanted: &DataType) -> String {
    format!("{name} is {} and not {wanted}", array.data_type())
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Fed<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| format!("there is no column {name}"))
}

/// A column of numbers without nulls.
pub fn numbers<'a, T: ArrowPrimitiveType>(batch: &'a RecordBatch, name: &str) -> Fed<&'a [T::Native]> {
    let array = column(batch, name)?;
    let typed = array.as_primitive_opt::<T>().ok_or_else(|| mistyped(name, array, &T::DATA_TYPE))?;
    if typed.null_count() > 0 {
        return Err(format!("{name} has nulls"));
    }
    Ok(typed.values())
}

/// A column of numbers that may be null, or that is not there at all.
pub fn nullable<'a, T: ArrowPrimitiveType>(batch: &'a RecordBatch, name: &str) -> Fed<Numbers<'a, T>> {
    match batch.column_by_name(name) {
        None => Ok(Numbers(None)),
        Some(array) if is_null(array) => Ok(Numbers(None)),
        Some(array) => match array.as_primitive_opt::<T>() {
            Some(typed) => Ok(Numbers(Some(typed))),
            None => Err(mistyped(name, array, &T::DATA_TYPE)),
        },
    }
}

/// A column of truths without nulls.
pub fn truths<'a>(batch: &'a RecordBatch, name: &str) -> Fed<&'a BooleanArray> {
    let array = column(batch, name)?;
    let typed = array.as_boolean_opt().ok_or_else(|| mistyped(name, array, &DataType::Boolean))?;
    if typed.null_count() > 0 { Err(format!("{name} has nulls")) } else { Ok(typed) }
}

/// A list whose numbers may be null: of the first, `known` tells at a place.
#[derive(Debug, Clone, Copy)]
pub struct Gaps<'a> {
    pub values: &'a [f64],
    pub known: Option<&'a NullBuffer>,
    pub first: usize,
}

impl Gaps<'_> {
    #[inline]
    pub fn at(&self, nth: usize) -> Option<f64> {
        let known = self.known.is_none_or(|known| known.is_valid(self.first + nth));
        self.values.get(nth).copied().filter(|_| known)
    }
}

/// A column of lists of numbers, each of which may be null.
#[derive(Clone, Copy)]
pub struct Lists<'a, T: ArrowPrimitiveType> {
    name: &'static str,
    found: Option<(&'a ArrayRef, &'a PrimitiveArray<T>)>,
}

/// A column of lists that may be null, or that is not there at all.
pub fn lists<'a, T: ArrowPrimitiveType>(batch: &'a RecordBatch, name: &'static str) -> Fed<Lists<'a, T>> {
    let Some(array) = batch.column_by_name(name).filter(|array| !is_null(array)) else {
        return Ok(Lists { name, found: None });
    };
    let items = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().values(),
        DataType::LargeList(_) => array.as_list::<i64>().values(),
        DataType::ListView(_) => array.as_list_view::<i32>().values(),
        DataType::LargeListView(_) => array.as_list_view::<i64>().values(),
        _ => return Err(format!("{name} is {} and not a list", array.data_type())),
    };
    let typed = items.as_primitive_opt::<T>().ok_or_else(|| mistyped(name, items, &T::DATA_TYPE))?;
    Ok(Lists { name, found: Some((array, typed)) })
}

impl<'a, T: ArrowPrimitiveType> Lists<'a, T> {
    /// The list of a row, none of whose numbers is null; `None`: the list is.
    #[inline]
    pub fn at(&self, row: usize) -> Fed<Option<&'a [T::Native]>> {
        let Some((items, place)) = self.items(row)? else { return Ok(None) };
        if items.null_count() > 0 {
            return Err(format!("{} has nulls in its lists", self.name));
        }
        Ok(Some(&items.values()[place]))
    }

    fn items(&self, row: usize) -> Fed<Option<(&'a PrimitiveArray<T>, Range<usize>)>> {
        let Some((array, items)) = self.found.filter(|(array, _)| array.is_valid(row)) else {
            return Ok(None);
        };
        let place = place(array, row).filter(|place| place.end <= items.len());
        place
            .map(|place| Some((items, place)))
            .ok_or_else(|| format!("{} has a list beyond its numbers", self.name))
    }
}

impl<'a> Lists<'a, Float64Type> {
    /// The list of a row, some of whose numbers may be null.
    pub fn with_gaps(&self, row: usize) -> Fed<Option<Gaps<'a>>> {
        let found = self.items(row)?;
        Ok(found.map(|(items, place)| Gaps {
            first: place.start,
            values: &items.values()[place],
            known: items.nulls(),
        }))
    }
}

fn place(array: &ArrayRef, row: usize) -> Option<Range<usize>> {
    let (from, length): (i64, i64) = match array.data_type() {
        DataType::List(_) => {
            let offsets = array.as_list::<i32>().value_offsets();
            (offsets[row].into(), (offsets[row + 1] - offsets[row]).into())
        }
        DataType::LargeList(_) => {
            let offsets = array.as_list::<i64>().value_offsets();
            (offsets[row], offsets[row + 1] - offsets[row])
        }
        DataType::ListView(_) => {
            let lists = array.as_list_view::<i32>();
            (lists.value_offset(row).into(), lists.value_size(row).into())
        }
        _ => {
            let lists = array.as_list_view::<i64>();
            (lists.value_offset(row), lists.value_size(row))
        }
    };
    let from = usize::try_from(from).ok()?;
    Some(from..from.checked_add(usize::try_from(length).ok()?)?)
}
