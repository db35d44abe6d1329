package qmp

import "context"

// MigrationCapabilities returns the names of the migration capabilities that this QEMU has.
func (q *Conn) MigrationCapabilities(ctx context.Context) ([]string, error) {
	var list []struct {
		Name string `json:"capability"`
	}
	if err := q.Execute(ctx, "query-migrate-capabilities", nil, &list); err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return names, nil
}

// Commands returns the names of the commands that this QEMU has.
func (q *Conn) Commands(ctx context.Context) ([]string, error) {
	var list []struct {
		Name string `json:"name"`
	}
	if err := q.Execute(ctx, "query-commands", nil, &list); err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return names, nil
}
