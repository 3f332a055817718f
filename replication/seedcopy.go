package replication

import (
	"context"
	"fmt"
	"time"
)

// copyData makes the schemas with their tables, then streams all rows.
func (s *seed) copyData(ctx context.Context, snap *snapshot, schemas []string) error {
	source, err := s.pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	c, err := newCreator(ctx, s.pair.Source, s.pair.Target)
	if err != nil {
		return err
	}
	defer c.close()
	rows := &rowCopy{from: snap, target: s.pair.Target, started: time.Now()}
	for _, schema := range schemas {
		statement, err := createSchema(ctx, source, schema)
		if err != nil {
			return err
		}
		if err := c.exec(ctx, statement); err != nil {
			return fmt.Errorf("create schema %s: %w", schema, err)
		}
		if err := s.createTables(ctx, c, snap, schema); err != nil {
			return err
		}
		tables, err := readTables(ctx, source, schema)
		if err != nil {
			return err
		}
		for _, t := range tables {
			rows.total += t.Bytes
		}
	}
	return rows.copyTables(ctx, func(yield func(table) error) error {
		for _, schema := range schemas {
			tables, err := readTables(ctx, source, schema)
			if err != nil {
				return err
			}
			for _, t := range tables {
				if err := yield(t); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (s *seed) createTables(ctx context.Context, c *creator, snap *snapshot, schema string) error {
	source, err := s.pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	objects, err := readObjects(ctx, source, schema)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if !o.isData() || o.isSeedTable() {
			continue
		}
		if err := c.create(ctx, o); err != nil {
			return err
		}
		if o.Kind == kindSequence {
			if err := c.copySequence(ctx, snap, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// createPrograms makes routines, then views, then triggers and events, when all
// rows are there: no trigger fires on a copied row.
func (s *seed) createPrograms(ctx context.Context, schemas []string) error {
	source, err := s.pair.Source.DB(ctx)
	if err != nil {
		return err
	}
	c, err := newCreator(ctx, s.pair.Source, s.pair.Target)
	if err != nil {
		return err
	}
	defer c.close()
	var views, late []object
	for _, schema := range schemas {
		objects, err := readObjects(ctx, source, schema)
		if err != nil {
			return err
		}
		for _, o := range objects {
			switch {
			case o.isData():
			case o.Kind == kindView:
				views = append(views, o)
			case o.Kind == kindTrigger || o.Kind == kindEvent:
				late = append(late, o)
			default:
				if err := c.create(ctx, o); err != nil {
					return err
				}
			}
		}
	}
	if err := c.createViews(ctx, views); err != nil {
		return err
	}
	for _, o := range late {
		if err := c.create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}
