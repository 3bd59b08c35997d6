// Package vtcodec is the gRPC codec of server and client: it uses the generated
// vtprotobuf code where a message has it and the protobuf runtime elsewhere
// (health, reflection), and writes into gRPC's pooled buffers.
//
// A message it reads is one piece of memory: its strings and bytes share a copy of
// what came in, which lives as long as one of them, and nobody may change the bytes.
//
// It refuses to know what a message means. It does not check that strings are
// valid UTF-8, which the generated code leaves out: the server's validation does.
package vtcodec

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// Name is the content subtype: the bytes are ordinary protobuf, so that every gRPC peer understands them.
const Name = "proto"

// fast is a message with generated vtprotobuf code.
type fast interface {
	SizeVT() int
	MarshalToSizedBufferVT([]byte) (int, error)
	UnmarshalVTUnsafe([]byte) error
}

// Pooled is a message that can be given back to its pool.
type Pooled interface{ ReturnToVTPool() }

type codec struct{ release bool }

// New returns a codec that leaves messages to their owner.
func New() encoding.CodecV2 { return codec{} }

// NewReleasing returns a codec that gives a pooled message back to its pool
// once it is marshalled. Only for a server: its handlers do not look at an answer after returning it.
func NewReleasing() encoding.CodecV2 { return codec{release: true} }

// Name implements encoding.CodecV2.
func (codec) Name() string { return Name }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(fast)
	if !ok {
		return marshalSlow(v)
	}
	size := m.SizeVT()
	buf, pool := buffer(size)
	if _, err := m.MarshalToSizedBufferVT(*buf); err != nil {
		return nil, fmt.Errorf("marshal %T: %w", v, err)
	}
	if p, ok := v.(Pooled); ok && c.release {
		p.ReturnToVTPool()
	}
	if pool == nil {
		return mem.BufferSlice{mem.SliceBuffer(*buf)}, nil
	}
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
}

// buffer returns a buffer of exactly size bytes and the pool it goes back to; nil if it is too small to be pooled.
func buffer(size int) (*[]byte, mem.BufferPool) {
	if mem.IsBelowBufferPoolingThreshold(size) {
		b := make([]byte, size)
		return &b, nil
	}
	pool := mem.DefaultBufferPool()
	b := pool.Get(size)
	*b = (*b)[:size]
	return b, pool
}

func marshalSlow(v any) (mem.BufferSlice, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("marshal %T: not a protobuf message", v)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("marshal %T: %w", v, err)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

// Unmarshal implements encoding.CodecV2. v must be empty: like every fresh or pooled message it is.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(fast); ok {
		b := make([]byte, data.Len()) // all strings of the message are parts of it
		data.CopyTo(b)
		return m.UnmarshalVTUnsafe(b)
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("unmarshal %T: not a protobuf message", v)
	}
	return proto.Unmarshal(buf.ReadOnlyData(), m)
}
