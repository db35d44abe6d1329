package postresume

import (
	"context"
	"errors"

	"github.com/stackemu/stackemu/guest/tools/secret"
	"github.com/stackemu/stackemu/guest/tools/stackenv"
)

// Rotate replaces the four secrets of the guest for good.
//
// It has one source of truth, the file of rotated secrets: what follows from it (the row of "ApiKeySet", the key in the
// built pages, the environment of the servers) is put right by the entry point at each start, before it lets the backend
// listen. So a rotation is that file and a restart, and is as good in a cold boot, where there is no database yet, as in a
// running guest; a service, a container or a guest that starts later finds the file, too.
//
// There is no moment at which a start can slip through. The file is written before anybody looks for services. An entry
// point that starts after that reads it. One that started before is a child of a supervisord that was listening already:
// services.Restart finds it, whatever it is in the middle of, and ends it. When Rotate returns, what is left of the old
// secrets is gone, and what answers knows the new ones.
//
// Two rotations at once, or one and the start of the container, take turns.
func Rotate(ctx context.Context, g Guest, secrets map[string]string) (err error) {
	if err := secret.CheckAll(secrets); err != nil { // before anything is touched
		return err
	}
	env, err := stackenv.Open(g.Env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	if err := env.SetSecrets(secrets); err != nil {
		return err
	}
	docker, err := g.Container.OnDocker()
	switch {
	case err != nil:
		return err
	case docker:
		return rotateInDocker(ctx, g, env, secrets)
	}
	return restart(ctx, g, env)
}

// rotateInDocker leaves to the container what is to be done: the images that are built for docker have tools for that.
func rotateInDocker(ctx context.Context, g Guest, env *stackenv.Guest, secrets map[string]string) error {
	if err := g.Container.DropUnstarted(ctx); err != nil {
		return err
	}
	if err := g.Container.RotateSecrets(ctx, secrets); err != nil {
		return err
	}
	return env.MarkFresh()
}
