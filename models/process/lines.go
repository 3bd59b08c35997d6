package process

import (
	"bytes"
	"log/slog"
)

// lines logs what a process writes to standard error, line by line.
type lines struct {
	log     *slog.Logger
	program string
	rest    []byte
}

// maxLine bounds a line; what is longer is cut.
const maxLine = 4 << 10 // 4 KiB

// Write takes text in any pieces. Only one goroutine writes.
func (l *lines) Write(text []byte) (int, error) {
	l.rest = append(l.rest, text...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) < maxLine {
			return len(text), nil
		}
		if i < 0 || i > maxLine {
			i = maxLine - 1
		}
		line := l.rest[:i+1]
		l.log.Info("model process says", "program", l.program, "text", string(bytes.TrimRight(line, "\r\n")))
		l.rest = append(l.rest[:0], l.rest[i+1:]...)
	}
}
