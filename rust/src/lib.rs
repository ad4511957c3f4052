//! The native core of Blackhole Analytics: OTLP bytes in, columns out. Only `receive` knows sockets, time and threads.

mod apply;
mod batch;
mod columns;
mod decoder;
mod delta;
mod departed;
mod edges;
mod error;
mod exponential;
mod fold;
mod hash;
mod histogram;
mod kindred;
mod lookup;
mod noise;
mod otlp;
mod reading;
mod receive;
mod records;
mod release;
mod repeats;
mod rewind;
mod scale;
mod sealed;
mod series;
mod since;
mod table;
mod treatment;
mod window;
mod windows;

/// The module as Python imports it.
#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::batch::Batch;
    #[pymodule_export]
    use crate::columns::{ArrowStream, Columns};
    #[pymodule_export]
    use crate::decoder::Decoder;
    #[pymodule_export]
    use crate::error::DecodeError;
    #[pymodule_export]
    use crate::noise::noise;
    #[pymodule_export]
    use crate::reading::Fold;
    #[pymodule_export]
    use crate::receive::{Arrivals, GrpcServer};
    #[pymodule_export]
    use crate::records::{Kept, Records};
    #[pymodule_export]
    use crate::series::{Outcome, Released, SeriesTable, WindowValue};
    #[pymodule_export]
    use crate::treatment::{NewSeries, PyRelease, Recall, Rule, Treatment};
    #[pymodule_export]
    use crate::windows::Windows;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        use crate::batch;
        // What Rust says of a panic may quote data; where it was is enough.
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            eprintln!("blackhole: the core stopped at {place}: report it");
        }));
        for (name, reason) in [
            ("SERIES_LIMIT", batch::SERIES_LIMIT),
            ("METRIC_SERIES_LIMIT", batch::METRIC_SERIES_LIMIT),
            ("TOO_OLD", batch::TOO_OLD),
            ("TOO_NEW", batch::TOO_NEW),
            ("MALFORMED_POINT", batch::MALFORMED_POINT),
            ("NO_TEMPORALITY", batch::NO_TEMPORALITY),
            ("EMPTY_METRIC", batch::EMPTY_METRIC),
            ("NO_FIXED_BUCKETS", batch::NO_FIXED_BUCKETS),
            ("NOT_TEXT", batch::NOT_TEXT),
            ("GAUGE", batch::Kind::Gauge as u32),
            ("COUNTER", batch::Kind::Counter as u32),
            ("UPDOWNCOUNTER", batch::Kind::UpDownCounter as u32),
            ("HISTOGRAM", batch::Kind::Histogram as u32),
            ("EXPONENTIAL_HISTOGRAM", batch::Kind::Exponential as u32),
            ("SUMMARY", batch::Kind::Summary as u32),
        ] {
            module.add(name, reason)?;
        }
        Ok(())
    }
}
