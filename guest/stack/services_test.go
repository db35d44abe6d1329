package stack

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/mailbox"
	"github.com/stackemu/stackemu/guest/tools/storage"
)

// What the backend says to storage and mail is understood by the real ones.
func TestTheBackendUsesTheServices(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	dir := t.TempDir()
	objects, err := storage.Open(storage.Config{File: filepath.Join(dir, "s3.db"), Buckets: []string{"b"}, Keys: storage.Keys{ID: "id", Secret: "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	s3 := httptest.NewServer(objects)
	defer s3.Close()
	store, err := mailbox.OpenStore(filepath.Join(dir, "mail.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	smtp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- mailbox.Receive(ctx, smtp, store, os.Stderr) }()

	host, port, _ := net.SplitHostPort(smtp.Addr().String())
	cmd := exec.Command(node, "jstest/services.js")
	cmd.Env = append(os.Environ(), "STACK_S3_ENDPOINT="+s3.URL, "STACK_S3_PUBLIC_ENDPOINT="+s3.URL, "STACK_S3_REGION=us-east-1", "STACK_S3_BUCKET=b",
		"STACK_S3_ACCESS_KEY_ID=id", "STACK_S3_SECRET_ACCESS_KEY=secret", "STACK_EMAIL_HOST="+host, "STACK_EMAIL_PORT="+port,
		"STACK_EMAIL_SENDER=noreply@example.com")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	mail, err := store.List(func(mailbox.Envelope) bool { return true })
	if err != nil || len(mail) != 1 || mail[0].Subject != "Grüße" || fmt.Sprint(mail[0].To) != "[ann@example.com]" {
		t.Fatalf("mail: %+v, %v", mail, err)
	}
	_, source, err := store.Get(mail[0].ID)
	if err != nil || !strings.Contains(string(source), "multipart/alternative") {
		t.Errorf("%s, %v", source, err)
	}
}
