package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/replication/throttle"
	"github.com/dcmigrate/migrate/report"
)

const (
	reportInterval = 500 * time.Millisecond
	// rateWindow is the time over which the rate is measured.
	rateWindow = 30 * time.Second
	// tablesShown is how many tables in progress a Progress names.
	tablesShown = 8
)

// Progress tells how far a seed is, including what earlier attempts have copied. Totals
// are estimates from the source's statistics, which improve as rows arrive.
type Progress struct {
	Phase      string          `json:"phase"`
	Bytes      int64           `json:"bytes"` // of rows
	TotalBytes int64           `json:"total_bytes"`
	Rows       int64           `json:"rows"`
	TotalRows  int64           `json:"total_rows"`
	Rate       float64         `json:"bytes_per_second"` // of the last half minute
	Left       time.Duration   `json:"left,omitempty"`   // 0: unknown
	Done       int             `json:"tables_done"`
	Tables     int             `json:"tables"`
	AtWork     []TableProgress `json:"at_work,omitempty"` // tables in progress, the largest first
	Workers    int             `json:"workers"`
	Throttle   string          `json:"throttle,omitempty"` // what holds the seed back, in plain words
	Running    int             `json:"source_threads_running"`
	History    int64           `json:"source_history_list"`        // -1: the source does not count it
	AtFirst    int64           `json:"source_history_list_before"` // when this attempt began
	At         time.Time       `json:"at"`                         // by the clock of the host on which the seed runs
}

// TableProgress tells how far one table is.
type TableProgress struct {
	Table      string `json:"table"`
	Bytes      int64  `json:"bytes"`
	TotalBytes int64  `json:"total_bytes"`
	Rows       int64  `json:"rows"`
	TotalRows  int64  `json:"total_rows"`
}

// String returns the progress in one line, without bytes.
func (p Progress) String() string {
	parts := p.parts()
	if p.Rate > 0 {
		parts = append(parts, throttle.RateText(int64(p.Rate)))
	}
	if p.Left > 0 {
		parts = append(parts, "about "+p.Left.String()+" left")
	}
	return strings.Join(parts, ", ")
}

// parts returns everything but bytes and rates.
func (p Progress) parts() []string {
	parts := []string{p.Phase}
	if p.Throttle != "" {
		parts = append(parts, p.Throttle)
	}
	if len(p.AtWork) > 0 {
		t := p.AtWork[0]
		text := fmt.Sprintf("%s %d of about %d rows", t.Table, t.Rows, t.TotalRows)
		if more := len(p.AtWork) - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, text)
	}
	if p.Tables > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d tables done", p.Done, p.Tables), fmt.Sprintf("%d of about %d rows", p.Rows, p.TotalRows))
	}
	if p.History >= 0 {
		parts = append(parts, fmt.Sprintf("source: %d threads, history list %d (%d before)", p.Running, p.History, p.AtFirst))
	}
	return parts
}

// Report returns p as a running step reports it. The reader works out the rate.
func (p Progress) Report() report.Progress {
	return report.Progress{Done: p.Bytes, Total: max(p.TotalBytes, p.Bytes), Unit: "B", What: strings.Join(p.parts(), ", ")}
}

// Meter measures the progress of a copy.
type Meter struct {
	throttle *throttle.Throttle
	watch    *throttle.SourceWatch

	mu       sync.Mutex
	phase    string
	tables   map[table.Name]*tableCount // of this batch, and unfinished ones of earlier batches
	done     doneCount
	ahead    schema.Size // the batches to come
	workers  int
	samples  []sample // of received, the oldest first
	received int64    // bytes in this attempt
}

// tableCount counts what has been copied of a table.
type tableCount struct {
	title             string
	estBytes, estRows int64 // from the source's statistics
	bytes, rows       int64
	done              bool
}

// doneCount counts what has been copied of finished tables.
type doneCount struct {
	tables              int
	bytes, rows         int64
	rowBytes, fileBytes float64 // of these tables: bytes of rows, and of the source's files; see scale
}

type sample struct {
	at    time.Time
	bytes int64
}

// NewMeter returns a meter of a seed that t throttles and that w watches.
func NewMeter(t *throttle.Throttle, w *throttle.SourceWatch) *Meter {
	return &Meter{throttle: t, watch: w, phase: "starting", tables: map[table.Name]*tableCount{}}
}

// SetPhase names what the seed is doing.
func (p *Meter) SetPhase(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = phase
}

// Start begins a new count of everything in the source.
func (p *Meter) Start(all schema.Size) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tables, p.done, p.ahead = map[table.Name]*tableCount{}, doneCount{}, all
}

// EndBatches records that there are no more batches: tables may have gone since they were
// counted.
func (p *Meter) EndBatches() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead = schema.Size{}
}

// TableCount is a table that a seed copies, as a Meter counts it.
type TableCount struct {
	Title             string
	EstBytes, EstRows int64 // from the source's statistics
	Bytes, Rows       int64 // that earlier attempts have copied
	Done              bool  // an earlier attempt has copied all of it
}

// AddBatch adds the tables of a batch. finished is what earlier attempts have copied of the
// batch's other tables, which are not read again.
func (p *Meter) AddBatch(size schema.Size, tables map[table.Name]TableCount, finished []TableCount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead = p.ahead.Minus(size)
	for id, c := range p.tables {
		if c.done {
			p.done.add(c)
			delete(p.tables, id)
		}
	}
	for _, t := range finished {
		p.done.add(&tableCount{bytes: t.Bytes, rows: t.Rows})
	}
	for id, t := range tables {
		p.tables[id] = &tableCount{title: t.Title, estBytes: t.EstBytes, estRows: t.EstRows, bytes: t.Bytes, rows: t.Rows, done: t.Done}
	}
}

func (p *doneCount) add(c *tableCount) {
	p.tables, p.bytes, p.rows = p.tables+1, p.bytes+c.bytes, p.rows+c.rows
	if files := c.fileBytes(); files > 0 {
		p.rowBytes, p.fileBytes = p.rowBytes+float64(c.bytes), p.fileBytes+files
	}
}

// fileBytes estimates what part of the table's files the copied rows are.
func (c *tableCount) fileBytes() float64 {
	if c.rows <= 0 || c.estRows <= 0 {
		return 0
	}
	return float64(c.estBytes) * min(1, float64(c.rows)/float64(c.estRows))
}

// Add counts rows of a table that have been written to the target.
func (p *Meter) Add(id table.Name, rows, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.tables[id]; c != nil {
		c.rows += rows
		c.bytes += bytes
	}
	p.received += bytes
}

// Received returns the bytes that were copied in this attempt.
func (p *Meter) Received() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.received
}

// FinishTable records that a table is copied.
func (p *Meter) FinishTable(id table.Name) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.tables[id]; c != nil {
		c.done = true
	}
}

// SetWorkers records the number of workers.
func (p *Meter) SetWorkers(workers int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers = workers
}

// Now returns the current progress.
func (p *Meter) Now() Progress {
	out := Progress{Throttle: p.throttle.Reason(), At: time.Now().UTC()}
	out.Running, out.History, out.AtFirst = p.watch.Latest()
	p.mu.Lock()
	defer p.mu.Unlock()
	out.Phase, out.Workers, out.Tables, out.Done = p.phase, p.workers, p.done.tables+len(p.tables)+p.ahead.Tables, p.done.tables
	scale := p.scale()
	out.Bytes, out.Rows = p.done.bytes, p.done.rows
	out.TotalBytes, out.TotalRows = p.done.bytes+int64(float64(p.ahead.Bytes)*scale), p.done.rows+p.ahead.Rows
	for _, c := range p.tables {
		t := c.progress(scale)
		out.Bytes, out.Rows = out.Bytes+t.Bytes, out.Rows+t.Rows
		out.TotalBytes, out.TotalRows = out.TotalBytes+t.TotalBytes, out.TotalRows+t.TotalRows
		if c.done {
			out.Done++
		} else if c.rows > 0 {
			out.AtWork = append(out.AtWork, t)
		}
	}
	slices.SortFunc(out.AtWork, func(a, b TableProgress) int {
		return cmp.Or(cmp.Compare(b.TotalBytes, a.TotalBytes), cmp.Compare(a.Table, b.Table))
	})
	out.AtWork = out.AtWork[:min(len(out.AtWork), tablesShown)]
	if out.Rate = p.rate(); out.Rate > 0 && out.TotalBytes > out.Bytes {
		out.Left = time.Duration(float64(out.TotalBytes-out.Bytes) / out.Rate * float64(time.Second)).Round(time.Second)
	}
	return out
}

// scale estimates the bytes of rows per byte of the source's files, which are not full and
// hold rows in another form.
func (p *Meter) scale() float64 {
	came, files := p.done.rowBytes, p.done.fileBytes
	for _, c := range p.tables {
		if f := c.fileBytes(); f > 0 {
			came, files = came+float64(c.bytes), files+f
		}
	}
	if files == 0 || came == 0 {
		return 1
	}
	return came / files
}

// progress returns how far the table is. Its total follows from its rows so far, or
// without any from the scale of other tables.
func (c *tableCount) progress(scale float64) TableProgress {
	t := TableProgress{Table: c.title, Bytes: c.bytes, Rows: c.rows, TotalBytes: c.bytes, TotalRows: c.rows}
	if c.done {
		return t
	}
	t.TotalRows = max(c.rows, c.estRows)
	if c.rows > 0 {
		t.TotalBytes = int64(float64(c.bytes) * float64(t.TotalRows) / float64(c.rows))
	} else {
		t.TotalBytes = int64(float64(c.estBytes) * scale)
	}
	return t
}

// rate returns the bytes a second over the rateWindow.
func (p *Meter) rate() float64 {
	now := time.Now()
	p.samples = append(p.samples, sample{now, p.received})
	for len(p.samples) > 2 && now.Sub(p.samples[0].at) > rateWindow {
		p.samples = p.samples[1:]
	}
	first := p.samples[0]
	if seconds := now.Sub(first.at).Seconds(); seconds > 0 {
		return float64(p.received-first.bytes) / seconds
	}
	return 0
}

// UsualRate returns the rate of this attempt so far, or that of a usual network.
func (p *Meter) UsualRate() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rate := p.rate(); rate > 1e6 {
		return rate
	}
	return 20e6
}

// Watch watches the source until ctx ends.
func (p *Meter) Watch(ctx context.Context) { p.watch.Watch(ctx) }

// Show reports the progress until ctx ends.
func (p *Meter) Show(ctx context.Context) {
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			report.Show(ctx, p.Now().Report())
		}
	}
}
