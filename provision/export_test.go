package provision

// BootstrapPath is where the first host key is kept.
var BootstrapPath = bootstrapPath
