package throttle

// ChunkBytes is the most that a chunk of a seed holds, in bytes.
const ChunkBytes = 16 << 20
