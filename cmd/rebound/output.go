package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// print writes v in the chosen format; table writes its human form.
func (a *app) print(v any, table func(w io.Writer)) error {
	switch a.format {
	case "json", "yaml":
		return a.printData(v)
	default:
		w := tabwriter.NewWriter(a.out, 2, 4, 2, ' ', 0)
		table(w)
		return w.Flush()
	}
}

func (a *app) printData(v any) error {
	data, err := marshal(v)
	if err != nil {
		return err
	}
	if a.format == "json" {
		_, err = fmt.Fprintln(a.out, string(data))
		return err
	}
	var tree any
	if err := yaml.UnmarshalWithOptions(data, &tree, yaml.UseOrderedMap()); err != nil {
		return err
	}
	out, err := yaml.Marshal(tree)
	if err != nil {
		return err
	}
	_, err = a.out.Write(out)
	return err
}

func marshal(v any) ([]byte, error) {
	if m, ok := v.(proto.Message); ok {
		data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
		if err != nil {
			return nil, err
		}
		return indent(data)
	}
	return json.MarshalIndent(v, "", "  ")
}

// indent normalises the deliberately unstable white space of protojson.
func indent(data []byte) ([]byte, error) {
	var raw json.RawMessage = data
	return json.MarshalIndent(raw, "", "  ")
}

// row writes tab-separated cells and a line end.
func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, c)
	}
	fmt.Fprintln(w)
}
