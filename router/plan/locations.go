package plan

// locations numbers the positions of the response: equal numbers are the same objects, whichever places hold them.
type locations struct {
	byPlace, waysByPlace map[*place]int
	numbers              map[location]int
}

// location is a step to a position from that above. Class is empty where the types of the objects above do not matter.
type location struct {
	above      int
	typed      bool
	key, class string
}

// of numbers the objects that a place holds.
func (l *locations) of(p *place) int { return l.number(p, true) }

// way numbers the way to a place, whatever types lead along it.
func (l *locations) way(p *place) int { return l.number(p, false) }

func (l *locations) number(p *place, typed bool) int {
	if l.numbers == nil {
		*l = locations{byPlace: map[*place]int{}, waysByPlace: map[*place]int{}, numbers: map[location]int{}}
	}
	known := l.waysByPlace
	if typed {
		known = l.byPlace
	}
	if p.slot == nil {
		return -p.serial // a field of a mutation may stand at several turns
	}
	if n, ok := known[p]; ok {
		return n
	}
	at := location{above: l.number(p.parent, typed), typed: typed, key: p.slot.logical()}
	if typed {
		at.class = p.class.key()
	}
	n, ok := l.numbers[at]
	if !ok {
		n = len(l.numbers) + 1
		l.numbers[at] = n
	}
	known[p] = n
	return n
}
