// Package durable connects a process to Temporal and runs its workers.
package durable

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/chassis"
)

// Options say how to reach Temporal.
type Options struct {
	Address   string // host:port of the frontend
	Namespace string
	Identity  string // names the process in histories; no personal data
	Log       *slog.Logger
	// Codec encodes payloads before they leave the process; nil leaves them plain.
	Codec converter.PayloadCodec
}

// Dial connects and waits until the server answers. Failures are encoded as payloads are, so that no message or stack
// trace stands plain in a history.
func Dial(ctx context.Context, o Options) (client.Client, error) {
	data := converter.GetDefaultDataConverter()
	if o.Codec != nil {
		data = converter.NewCodecDataConverter(data, o.Codec)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{
		HostPort:      o.Address,
		Namespace:     o.Namespace,
		Identity:      o.Identity,
		Logger:        log.NewStructuredLogger(o.Log),
		DataConverter: data,
		FailureConverter: temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
			DataConverter:          data,
			EncodeCommonAttributes: o.Codec != nil,
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("no Temporal answers at %s: check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and that the server runs: %w", o.Address, err)
	}
	return c, nil
}

// Worker gives a loop for a service that works off a task queue until its context is done. Register adds the workflows
// and activities. Told to stop it takes no more work, and what it has under way has [chassis.StopTimeout] to end; what is
// cut then Temporal gives to another worker. BuildID, when set, makes it a versioned worker of a deployment named after the queue: it gets no work
// until that version is made current.
func Worker(c client.Client, queue, buildID string, register func(worker.Registry)) func(context.Context) error {
	return func(ctx context.Context) error {
		fatal := make(chan error, 1)
		o := worker.Options{
			WorkerStopTimeout: chassis.StopTimeout(ctx),
			OnFatalError:      func(err error) { fatal <- err },
		}
		if buildID != "" {
			o.DeploymentOptions = worker.DeploymentOptions{
				UseVersioning: true,
				Version:       worker.WorkerDeploymentVersion{DeploymentName: queue, BuildID: buildID},
			}
		}
		w := worker.New(c, queue, o)
		register(w)
		if err := w.Start(); err != nil {
			return fmt.Errorf("start the worker of task queue %s: %w", queue, err)
		}
		defer w.Stop()
		select {
		case <-ctx.Done():
			return nil
		case err := <-fatal:
			return fmt.Errorf("the worker of task queue %s stopped: %w", queue, err)
		}
	}
}
