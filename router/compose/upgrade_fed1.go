package compose

// upgrade turns schemas of Federation 1 into schemas of Federation 2 that mean the same.
func (c *composer) upgrade() {
}
