// Nothing but an owner for the precompiled header of the tests that have no Asio in them.
