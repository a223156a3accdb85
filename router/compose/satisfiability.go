package compose

func satisfiable(sdl string, m *merger) []Error { return nil }
