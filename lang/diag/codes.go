package diag

// Code is the stable name of a kind of mistake: MSEG-0xxx syntax, 1xxx names, 2xxx types and units, 3xxx arguments, 4xxx the domain
// (tasks, labels, patients), 5xxx what is found on disk when a script runs, 6xxx the command line and the machine. Codes are never reused for another meaning.
type Code string

const (
	// Text that is not a statement.
	UnexpectedToken Code = "MSEG-0001" // a token where another was expected
	UnclosedBracket Code = "MSEG-0002" // ( [ { without its partner
	StrayBracket    Code = "MSEG-0003" // ) ] } without its partner
	BadString       Code = "MSEG-0004" // a string that does not end on its line, or a bad escape in it
	BadCharacter    Code = "MSEG-0005" // a character that begins no token
	BadNumber       Code = "MSEG-0006" // a number that cannot be read or is out of range
	TooDeep         Code = "MSEG-0007" // nested deeper than 200 brackets, a chain of more than 10,000 operators, or too much to work out
	BareExpression  Code = "MSEG-0008" // an expression that is no statement, in a file
	BadEdition      Code = "MSEG-0009" // an edition this program does not know

	// Names.
	UnknownName    Code = "MSEG-1001"
	DuplicateName  Code = "MSEG-1002"
	CyclicName     Code = "MSEG-1003"
	UnknownField   Code = "MSEG-1004"
	UnknownLibrary Code = "MSEG-1005"
	UnknownType    Code = "MSEG-1006"
	ReservedName   Code = "MSEG-1007"
	UnknownKind    Code = "MSEG-1008"
	AmbiguousName  Code = "MSEG-1009" // one of several things of that name is meant

	// Types and units.
	WrongType      Code = "MSEG-2001"
	WrongUnit      Code = "MSEG-2002"
	WrongKind      Code = "MSEG-2003" // `data x =` something that is not data
	BadOperands    Code = "MSEG-2004"
	NotCallable    Code = "MSEG-2005"
	EmptyRange     Code = "MSEG-2006"
	UnknownWord    Code = "MSEG-2007" // not one of the words allowed here
	NotConstant    Code = "MSEG-2008" // known only after running, but needed before
	BadPipe        Code = "MSEG-2009"
	WrongReturn    Code = "MSEG-2010"
	DivisionByZero Code = "MSEG-2011"
	ShapesDiffer   Code = "MSEG-2012" // tensors whose axes do not fit each other or the place
	LearnedWeights Code = "MSEG-2013" // a layer where nothing is trained

	// Arguments.
	UnknownArgument   Code = "MSEG-3001"
	MissingArgument   Code = "MSEG-3002"
	DuplicateArgument Code = "MSEG-3003"
	TooManyArguments  Code = "MSEG-3004"
	OutOfRange        Code = "MSEG-3005"
	DuplicateKey      Code = "MSEG-3006"
	MisplacedArgument Code = "MSEG-3007" // positional after named
	MayBeAbsent       Code = "MSEG-3008" // a parameter that may be left out where a value is needed

	// The domain.
	UnknownTask      Code = "MSEG-4001"
	UnknownOrgan     Code = "MSEG-4002"
	UnknownModality  Code = "MSEG-4003"
	ModalityMismatch Code = "MSEG-4004"
	DuplicateTask    Code = "MSEG-4005"
	SplitShares      Code = "MSEG-4006"
	UnknownCaseField Code = "MSEG-4007"
	SharedPatient    Code = "MSEG-4008"

	// Found when the script ran: the place in the script whose files or numbers were at fault.
	RunFailed   Code = "MSEG-5001"
	ExpectFails Code = "MSEG-5002"

	// No place in a script: the command line, and files and machines around it.
	BadUsage      Code = "MSEG-6001"
	CommandFailed Code = "MSEG-6002"
)
