package workflows

// Short workflows that ask all services about a subject. They change nothing.
const (
	// WorkflowSurvey asks what the services hold. Input [SurveyRequest], result [Survey].
	WorkflowSurvey = "erasure.Survey"
	// WorkflowExport has the services leave encrypted exports. Input [SurveyRequest], result [Exports].
	WorkflowExport = "erasure.Export"
)

// SurveyID gives the id of a survey or an export: a random one.
func SurveyID(id string) string { return "survey/" + id }

// SurveyRequest asks services about a subject. ErasureID is the survey's own id.
type SurveyRequest struct {
	SubjectRef
	Services []string `json:"services"`
}

// Survey is what the services hold, in the order in which they were named.
type Survey struct {
	Located []Located `json:"located"`
}

// Exports lead to what the services exported, in the order in which they were named.
type Exports struct {
	Refs []ExportRef `json:"refs"`
}
