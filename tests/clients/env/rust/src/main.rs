//! A shop of which the metrics go where `blackhole env rust` leads them; telemetry.rs is what that prints.

mod telemetry;

use std::error::Error;

#[cfg(feature = "grpc")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    sell()
}

#[cfg(not(feature = "grpc"))]
fn main() -> Result<(), Box<dyn Error>> {
    sell()
}

fn sell() -> Result<(), Box<dyn Error>> {
    let provider = telemetry::start()?;
    let meter = opentelemetry::global::meter("shop");
    let requests = meter.u64_counter("shop.requests.total").build();
    let orders = meter.u64_counter("shop.orders").build();
    let durations = meter.f64_histogram("shop.request.duration").build();
    for _ in 0..20 {
        requests.add(1, &[]);
        orders.add(2, &[]);
        durations.record(25.0, &[]);
    }
    provider.shutdown()?;
    Ok(())
}
