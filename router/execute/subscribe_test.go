package execute_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/lethe/lethe/router/execute"
)

const followed = `subscription Followed($id: ID!, $on: Boolean!) { productChanged(id: $id) @include(if: $on) { id name stock } }`

func TestSource(t *testing.T) {
	t.Parallel()
	program := compile(t, followed)
	call, err := program.Source(execute.Request{Variables: [][]byte{[]byte(`"p1"`), []byte("true")}, Trail: execute.Trail{RequestID: "r"}}, nil)
	const want = `{"query":"subscription Followed__products__0($id:ID!,$on:Boolean!){productChanged(id:$id)@include(if:$on){name id}}","variables":{"id":"p1","on":true}}`
	if err != nil || call.Subgraph != "products" || string(call.Body) != want || call.Trail.RequestID != "r" {
		t.Errorf("%+v %s, %v; want %s", call, call.Body, err, want)
	}
	if _, err := program.Source(execute.Request{Variables: [][]byte{[]byte(`"p1"`), []byte("false")}}, nil); !errors.Is(err, execute.ErrNoSource) {
		t.Error(err)
	}
	if _, err := compile(t, `{ products { id } }`).Source(execute.Request{}, nil); !errors.Is(err, execute.ErrNoSource) {
		t.Error(err)
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	program := compile(t, followed)
	e := execute.New(answers{"stock": []byte(`{"data":{"_entities":[{"stock":3}]}}`)}, execute.Options{Log: slog.New(slog.DiscardHandler)})
	req := execute.Request{Variables: [][]byte{[]byte(`"p1"`), []byte("true")}}
	for event, want := range map[string]string{
		`{"data":{"productChanged":{"id":"p1","name":"N"}}}`:      `{"data":{"productChanged":{"id":"p1","name":"N","stock":3}}}`,
		`{"data":{"productChanged":null}}`:                        `{"data":{"productChanged":null}}`,
		`{"data":{"productChanged":{"id":"p1","name":null}}}`:     `{"data":{"productChanged":null},"errors":[{"message":"Cannot return null for non-nullable field Product.name.","path":["productChanged","name"],"extensions":{"code":"NULL_IN_NON_NULL_FIELD"}}]}`,
		`{"errors":[{"message":"no","extensions":{"code":"X"}}]}`: `{"data":{"productChanged":null},"errors":[{"message":"no","path":["productChanged"],"extensions":{"code":"X"}}]}`,
		``: `{"data":{"productChanged":null},"errors":[{"message":"Service products answered with something that is not the JSON asked for.","path":["productChanged"],"extensions":{"code":"SUBGRAPH_INVALID_RESPONSE","service":"products"}}]}`,
	} {
		got, _ := e.Event(context.Background(), program, req, []byte(event), nil)
		if string(got) != want {
			t.Errorf("%s\ngot  %s\nwant %s", event, got, want)
		}
	}
}
