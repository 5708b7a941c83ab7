"""Outgoing HTTP requests: which addresses may be called, how, and with which signature.

`targets` decides which addresses a request may reach, `sender` sends it to exactly those,
`signatures` signs it by Standard Webhooks. The sender needs aiohttp: `pip install qless_py[push]`.
"""
