// Package messages holds everything that actors say to each other: plain structs, one file per conversation, no behaviour.
//
// Rules that every message keeps:
//
//   - It is sent as a pointer and never changed after it was sent; slices and maps in it belong to it alone. The pointer
//     receivers of the marker methods make a value, or a message for another actor, a compile error at [actors.Ref].
//   - Imperative names are commands (PowerOffGuest), past ones are facts (MachineExited).
//   - Each type's comment names the sender, the receiver and what answers it.
//   - It can be written to the message log as JSON: an error travels as a [Cause], a secret as a [Secret].
//
// No type here knows an actor library: who is talking is the envelope's business.
package messages

// Message is implemented by every type of this package. The message log writes the body of a Message; of anything else
// it writes the type only.
type Message interface{ message() }

// What each actor accepts. The marker methods are unexported on purpose: the sets are closed.
type (
	// Fleet is accepted by the fleet.
	Fleet interface {
		Message
		toFleet()
	}
	// Emulator is accepted by an emulator.
	Emulator interface {
		Message
		toEmulator()
	}
	// Machine is accepted by a machine.
	Machine interface {
		Message
		toMachine()
	}
	// Monitor is accepted by a monitor.
	Monitor interface {
		Message
		toMonitor()
	}
	// Agent is accepted by an agent.
	Agent interface {
		Message
		toAgent()
	}
	// Store is accepted by the snapshot store.
	Store interface {
		Message
		toStore()
	}
	// Observer is accepted by whoever watches a fleet: the command line, a test.
	Observer interface {
		Message
		toObserver()
	}
)
