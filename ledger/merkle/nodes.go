package merkle

import lru "github.com/hashicorp/golang-lru/v2"

const (
	// nodesInTile is how many nodes lie in a full tile: its hashes, the roots over two of them, and so on up to the two
	// halves. The root over all of them is a hash of the level above.
	nodesInTile = 2*TileWidth - 2

	// How many tiles are remembered: of level 0 those whose neighbours are likely to be asked for next, and above all of a
	// log of up to 134 million leaves, 16 KiB each.
	leafTiles  = 256
	upperTiles = 2048
)

// Nodes remembers the nodes of full tiles that proofs led through, so that the next one through the same tile neither reads
// nor hashes it: a proof otherwise hashes most of one full tile of every level. It takes 36 MiB at most. What is in it never
// changes, so one serves all trees of one log. It is safe for concurrent use; a nil Nodes remembers nothing.
type Nodes struct {
	// Tiles of level 0 have a place of their own, so that proofs from all over the log don't push out what they all share.
	leaves, upper *lru.Cache[position, *[nodesInTile]Hash]
}

// position names a tile whatever its width.
type position struct {
	level uint8
	index uint64
}

// NewNodes makes Nodes that remember nothing yet.
func NewNodes() (*Nodes, error) {
	leaves, err := lru.New[position, *[nodesInTile]Hash](leafTiles)
	if err != nil {
		return nil, err
	}
	upper, err := lru.New[position, *[nodesInTile]Hash](upperTiles)
	if err != nil {
		return nil, err
	}
	return &Nodes{leaves: leaves, upper: upper}, nil
}

func (n *Nodes) of(level uint8) *lru.Cache[position, *[nodesInTile]Hash] {
	if level == 0 {
		return n.leaves
	}
	return n.upper
}

// root answers the root of a subtree whose tile is remembered.
func (n *Nodes) root(s subtree) (Hash, bool) {
	if n == nil {
		return Hash{}, false
	}
	tile, ok := n.of(s.tile.Level).Get(position{s.tile.Level, s.tile.Index})
	if !ok {
		return Hash{}, false
	}
	// Of height h there are TileWidth>>h, and those of all lower heights come before.
	return tile[2*(TileWidth-TileWidth>>(s.height%TileHeight))+s.number()], true
}

// keep remembers a tile if it is full, at the cost of one [NodeHash] for each of its hashes.
func (n *Nodes) keep(t Tile, data []byte) {
	if n == nil || !t.Full() {
		return
	}
	tile := new([nodesInTile]Hash)
	for i := range TileWidth {
		tile[i] = Hash(data[i*HashSize:])
	}
	for i := TileWidth; i < nodesInTile; i++ {
		left := 2 * (i - TileWidth)
		tile[i] = NodeHash(tile[left], tile[left+1])
	}
	n.of(t.Level).Add(position{t.Level, t.Index}, tile)
}
