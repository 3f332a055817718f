package verb

import (
	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/plan"
)

// Names of the stages that code looks up. The others are named where they are made.
const (
	StageTTL        = "ttl"
	StageSeed       = "seed"
	StageForward    = "link-forward"
	StageReverse    = "link-reverse"
	StageIncrements = "increments"
	StageHandover   = "handover"
)

// FlipStage is the name of the stage that flips a wave.
func FlipStage(wave string) string { return "flip-" + wave }

// FlipKey names the cutover's flip of a zone's records of a wave.
func FlipKey(zone, wave string) plan.Key {
	return plan.Key{Kind: Cutover, Stage: FlipStage(wave), Step: dns.FlipName(zone, wave)}
}

// FlipOf returns the zone and wave of a key that FlipKey made. For every other key ok
// is false.
func FlipOf(key plan.Key) (zone, wave string, ok bool) {
	zone, wave, ok = dns.ParseFlipName(key.Step)
	return zone, wave, ok && key == FlipKey(zone, wave)
}
