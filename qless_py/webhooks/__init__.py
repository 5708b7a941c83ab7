"""Deliver events to webhooks: `dispatcher` puts the deliveries, `deliveries` sends them.

The webhooks themselves are `client.webhooks`.
"""
