package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/dcmigrate/migrate/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	l, err := lab.Open(ctx, lab.Options{Dir: "/tmp/ws", Progress: func(s string) { fmt.Println(s) }})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	f, _ := os.Create("/tmp/ws/env")
	for _, e := range l.Environ() {
		if len(e) > 5 && (e[:5] == "DIGIT" || e[:5] == "CLOUD") {
			fmt.Fprintln(f, "export "+e)
		}
	}
	f.Close()
	fmt.Println(lab.Apply("/tmp/ws/migration.yaml", l.Edits()))
	t := l.Traffic(os.Getenv("LIKES") != "")
	if os.Getenv("TRAFFIC") != "" {
		fmt.Println(t.Open(ctx))
	}
	fmt.Println("READY")
	<-ctx.Done()
	if os.Getenv("TRAFFIC") != "" {
		fmt.Println(t.Close())
		fmt.Printf("%+v\n", t.Log().Summary())
		fmt.Println(l.Check(context.Background(), t.Log()))
	}
	fmt.Println(l.Close(context.Background()))
}
