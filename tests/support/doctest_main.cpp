// main() of every test program.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <csignal>

int main(int count, char** arguments) {
    std::signal(SIGPIPE, SIG_IGN); // as the program does
    return doctest::Context(count, arguments).run();
}
