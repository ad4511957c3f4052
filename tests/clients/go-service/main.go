// A service as people write it: otelhttp around its handler, the runtime's metrics, and a counter of its own.
//
// It calls itself RATE times a second until its input ends; each tenth answer is a 500. What it counted goes to its output as JSON.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

type counted struct {
	Requests int       `json:"requests"`
	Errors   int       `json:"errors"`
	Began    float64   `json:"began"`
	Ended    float64   `json:"ended"`
	Times    []float64 `json:"times"`
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(name string, otherwise int) int {
	if given, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return given
	}
	return otherwise
}

func now() float64 { return float64(time.Now().UnixNano()) / 1e9 }

func handler(requests metric.Int64Counter) http.Handler {
	slow := time.Duration(number("MILLISECONDS", 20)) * time.Millisecond
	answered := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(answer http.ResponseWriter, asked *http.Request) {
		time.Sleep(slow)
		answered++
		requests.Add(asked.Context(), 1)
		if answered%10 == 0 {
			answer.WriteHeader(http.StatusInternalServerError)
		}
	})
	return otelhttp.NewHandler(mux, "server")
}

func call(address string, over <-chan struct{}) counted {
	result := counted{Began: now()}
	pace := time.NewTicker(time.Second / time.Duration(number("RATE", 10)))
	defer pace.Stop()
	for {
		select {
		case <-over:
			result.Ended = now()
			return result
		case <-pace.C:
		}
		answer, err := http.Get("http://" + address + "/orders/" + strconv.Itoa(result.Requests))
		must(err)
		must(answer.Body.Close())
		result.Requests++
		result.Times = append(result.Times, now())
		if answer.StatusCode >= 500 {
			result.Errors++
		}
	}
}

func main() {
	ctx := context.Background()
	exporter, err := otlpmetricgrpc.New(ctx)
	must(err)
	provider := sdk.NewMeterProvider(sdk.WithReader(sdk.NewPeriodicReader(exporter)))
	otel.SetMeterProvider(provider)
	must(runtime.Start())
	requests, err := otel.Meter("shop").Int64Counter("shop.requests.total", metric.WithUnit("{request}"))
	must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() { must(http.Serve(listener, handler(requests))) }()
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	result := call(listener.Addr().String(), over)
	must(provider.Shutdown(ctx))
	must(json.NewEncoder(os.Stdout).Encode(result))
}
