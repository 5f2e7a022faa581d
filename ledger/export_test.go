package ledger

// EntryFlaw answers what the bytes of an entry hold that no entry may, as a check of a store finds it without decoding them.
func EntryFlaw(b []byte) error {
	s := newShapes()
	return s.entry.check(b)
}
