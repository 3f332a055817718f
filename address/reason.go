package address

// Reason says why an old address or name was left alone, as part of a sentence about it.
type Reason string

// Reasons.
const (
	NoNew   Reason = "no new one is known"
	Network Reason = "it stands for a network"
	Range   Reason = "it is an end of a range"
	Pattern Reason = "it is part of a pattern"
	Reverse Reason = "it is part of a name for reverse lookups"
	Part    Reason = "it is part of a longer name"
	Version Reason = "it reads like a version"
	Zone    Reason = "an interface is named with it"
	Encoded Reason = "what surrounds it is percent-encoded"
	Form    Reason = "the new one cannot be written in this form"
	Binary  Reason = "it is in binary data"
)
