"""Talks to the example `grpc`: `python examples/services/grpc_client.py localhost:8080 [HOST]`."""

import sys

import grpc

gateway = sys.argv[1]
host = sys.argv[2] if len(sys.argv) > 2 else "grpc.default.localhost"
with grpc.insecure_channel(gateway, options=[("grpc.default_authority", host)]) as channel:
    print(channel.unary_unary("/echo.Echo/Say")(b"hello", timeout=30).decode())
    for answer in channel.stream_stream("/echo.Echo/Talk")(iter([b"one", b"two", b"three"]), timeout=30):
        print(answer.decode())
