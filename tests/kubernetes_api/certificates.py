"""The cluster's certificate authority, made once."""

import functools
import ssl

import trustme


@functools.cache
def authority() -> trustme.CA:
    """Return who signs the server's certificate."""
    return trustme.CA()


@functools.cache
def server_context() -> ssl.SSLContext:
    """Return what the server speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context
