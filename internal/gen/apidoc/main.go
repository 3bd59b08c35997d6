// Command apidoc writes docs/reference/api.md from the protos: it owns the form
// of that page and refuses to know what any message means.
//
//	buf build --as-file-descriptor-set -o - | go run ./internal/gen/apidoc > docs/reference/api.md
package main

import (
	"fmt"
	"io"
	"os"

	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate" // so that field rules are read, not kept as unknown bytes
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "apidoc:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read descriptors: %w", err)
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(data, set); err != nil {
		return fmt.Errorf("decode descriptors: %w", err)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return fmt.Errorf("link descriptors: %w", err)
	}
	_, err = io.WriteString(out, page(files))
	return err
}
