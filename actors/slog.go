package actors

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
)

// libraryLogger sends protoactor's own log to ours. It is the library talking to its developers, so nothing of it is
// louder than debug but its warnings and errors.
func libraryLogger(l zerolog.Logger) *slog.Logger {
	return slog.New(tamed{zerolog.NewSlogHandler(l.With().Str("lib", "protoactor").Logger())})
}

// tamed keeps the library's attributes from colliding with zerolog's own keys, and live messages and actors from being
// reflected into while others change them.
type tamed struct{ slog.Handler }

func (t tamed) Enabled(ctx context.Context, level slog.Level) bool {
	return t.Handler.Enabled(ctx, quieter(level))
}

func (t tamed) Handle(ctx context.Context, r slog.Record) error {
	tame := slog.NewRecord(r.Time, quieter(r.Level), r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		tame.AddAttrs(tameAttr(a))
		return true
	})
	return t.Handler.Handle(ctx, tame)
}

func (t tamed) WithAttrs(attrs []slog.Attr) slog.Handler {
	tame := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		tame[i] = tameAttr(a)
	}
	return tamed{t.Handler.WithAttrs(tame)}
}

func (t tamed) WithGroup(name string) slog.Handler { return tamed{t.Handler.WithGroup(name)} }

func quieter(level slog.Level) slog.Level {
	if level == slog.LevelInfo {
		return slog.LevelDebug
	}
	return level
}

func tameAttr(a slog.Attr) slog.Attr {
	key := a.Key
	switch key {
	case "message", "level", "time":
		key = "actor_" + key
	}
	switch v := a.Value.Any().(type) {
	case *actor.PID:
		return slog.String(key, v.GetId())
	case error:
		return slog.String(key, v.Error())
	case string, bool, int, int64, uint64, float64, fmt.Stringer:
		return slog.String(key, fmt.Sprint(v))
	default:
		return slog.String(key, fmt.Sprintf("%T", v))
	}
}
