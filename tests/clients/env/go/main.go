// A shop of which the metrics go where `blackhole env go` leads them; telemetry.go is what that prints.
package main

import (
	"context"
	"log"

	"go.opentelemetry.io/otel"
)

func main() {
	ctx := context.Background()
	provider, err := startMetrics(ctx)
	if err != nil {
		log.Fatal(err)
	}
	meter := otel.Meter("shop")
	requests, _ := meter.Int64Counter("shop.requests.total")
	orders, _ := meter.Int64Counter("shop.orders")
	durations, _ := meter.Float64Histogram("shop.request.duration")
	for range 20 {
		requests.Add(ctx, 1)
		orders.Add(ctx, 2)
		durations.Record(ctx, 25)
	}
	if err := provider.Shutdown(ctx); err != nil {
		log.Print(err) // a refused metric, too
	}
}
