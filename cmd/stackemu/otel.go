package main

import (
	"os"

	"github.com/rs/zerolog"

	"github.com/stackemu/stackemu/internal/otlp"
)

// exportSpans exports the starts of instances to the OpenTelemetry collector that the environment names; nil without one.
func exportSpans(log zerolog.Logger, members []*member) *otlp.Exporter {
	wanted, err := otlp.Wanted(os.LookupEnv)
	if err != nil {
		log.Warn().Msg(err.Error())
	}
	if !wanted {
		return nil
	}
	x := otlp.New(version, func(err error) { log.Warn().Msg(err.Error()) })
	for _, m := range members {
		x.Follow(m.files.MessagesLog)
	}
	return x
}
