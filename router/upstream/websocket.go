package upstream

import "context"

// WebSocket opens a subscription over WebSocket.
func (c *Client) WebSocket(ctx context.Context, q Request) (Events, error) { panic("x") }
