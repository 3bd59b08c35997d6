package profile

// Contains reports whether the history record (nil: nobody has seen the
// customer) already holds the event of an id, so that folding it would change nothing.
func Contains(history []byte, eventID string) (bool, error) {
	h, err := parseHistory(history)
	if err != nil {
		return false, err
	}
	id := hashID(eventID)
	for at := 0; at < len(h.body); {
		e, _ := entryAt(h.body, at)
		if e.hash() == id {
			return true, nil
		}
		at += len(e)
	}
	return false, nil
}
