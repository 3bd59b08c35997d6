package server

import (
	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// EventMessage is an event as a client sends it.
func EventMessage(e *profile.Event) *pb.Event { return fromEvent(e) }

// AttributesMessage is an event of declared attributes as a client declares them.
func AttributesMessage(e *profile.Event) *pb.DeclaredAttributes { return fromAttributes(e) }
