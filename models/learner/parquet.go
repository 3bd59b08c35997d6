package learner

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// ReadParquet reads a flat Parquet file of the given size in bytes. Nulls are
// missing, timestamps become RFC 3339, booleans 0 and 1.
func ReadParquet(r io.ReaderAt, size int64, m Mapping) (*Dataset, error) {
	f, err := parquet.OpenFile(r, size)
	if err != nil {
		return nil, fmt.Errorf("read Parquet: %w", err)
	}
	t, err := parquetTable(f)
	if err != nil {
		return nil, fmt.Errorf("read Parquet: %w", err)
	}
	return t.dataset(m)
}

func parquetTable(f *parquet.File) (*table, error) {
	fields := f.Schema().Fields()
	t := &table{cols: make([][]string, len(fields))}
	texts := make([]func(parquet.Value) string, len(fields))
	for k, field := range fields {
		if !field.Leaf() || field.Repeated() {
			return nil, fmt.Errorf("%w: column %q is nested", ErrData, field.Name())
		}
		t.names = append(t.names, field.Name())
		texts[k] = textOf(field)
	}
	for _, g := range f.RowGroups() {
		for k, chunk := range g.ColumnChunks() {
			if err := readChunk(chunk, func(v parquet.Value) { t.cols[k] = append(t.cols[k], texts[k](v)) }); err != nil {
				return nil, fmt.Errorf("column %q: %w", t.names[k], err)
			}
		}
	}
	return t, nil
}

// readChunk calls each for the values of one column chunk in row order.
func readChunk(chunk parquet.ColumnChunk, each func(parquet.Value)) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	buf := make([]parquet.Value, 1024)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		values := page.Values()
		for {
			n, err := values.ReadValues(buf)
			for _, v := range buf[:n] {
				each(v)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
}

// textOf renders values of a column as the CSV reader would meet them.
func textOf(field parquet.Field) func(parquet.Value) string {
	unit := time.Duration(0)
	if l := field.Type().LogicalType(); l != nil {
		if ts, ok := l.Value.(*format.TimestampType); ok && ts.Unit.Value != nil {
			unit = ts.Unit.Value.Duration()
		}
	}
	return func(v parquet.Value) string {
		if v.IsNull() {
			return ""
		}
		switch v.Kind() {
		case parquet.Boolean:
			if v.Boolean() {
				return "1"
			}
			return "0"
		case parquet.Int64:
			if unit > 0 {
				return time.Unix(0, 0).Add(time.Duration(v.Int64()) * unit).UTC().Format(time.RFC3339)
			}
			return strconv.FormatInt(v.Int64(), 10)
		case parquet.Int32:
			return strconv.FormatInt(int64(v.Int32()), 10)
		case parquet.Float:
			return strconv.FormatFloat(float64(v.Float()), 'g', -1, 32)
		case parquet.Double:
			return strconv.FormatFloat(v.Double(), 'g', -1, 64)
		}
		return string(v.ByteArray())
	}
}
