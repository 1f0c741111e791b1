// The project's one way to use Asio: names, the completion token, and errors as values.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

namespace gatehouse::proxy {

namespace asio = boost::asio;
using boost::system::error_code;

// Errors come back in the tuple; exceptions are not control flow.
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

} // namespace gatehouse::proxy
