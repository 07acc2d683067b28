// Binds the parts of the fork server: Channel (its control socket) and the numbers of the control plane.
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "control/channel.h"
#include "processes/die_with_parent.h"
#include "processes/fork_servers.h"
#include "processes/process.h"

namespace callring::bindings {

namespace {

py::object receive(const Channel& channel, bool wait) {
    auto received = [&]() -> Result<std::optional<Message>> {
        const py::gil_scoped_release release;
        if (!wait) {
            return channel.try_receive();
        }
        auto message = channel.receive(std::nullopt);
        if (!message) {
            return std::move(message).error();
        }
        return std::optional<Message>(std::move(message).value());
    }();
    auto message = unwrap(std::move(received));
    if (!message) {
        return py::none();
    }
    py::list fds;
    for (UniqueFd& fd : message->fds) {
        fds.append(fd.release());
    }
    return py::make_tuple(message->header.op, message->header.sequence, message->header.argument,
                          py::bytes(message->body), fds);
}

void send(const Channel& channel, std::uint32_t op, std::uint64_t sequence, std::uint64_t argument,
          const py::bytes& body, const std::vector<int>& fds) {
    MessageHeader header;
    header.op = op;
    header.sequence = sequence;
    header.argument = argument;
    const py::gil_scoped_release release;
    static_cast<void>(channel.send(header, std::string_view(body), fds, UINT64_MAX));
}

}  // namespace

void register_fork_server(py::module_& module) {
    using namespace py::literals;
    py::class_<Channel>(module, "Channel", "One end of a control socket.")
        .def(py::init([](int fd) { return Channel(UniqueFd(fd)); }), "fd"_a)
        .def("fileno", &Channel::fd)
        .def("close", &Channel::close)
        .def("receive", &receive, "wait"_a)
        .def("send", &send, "op"_a, "sequence"_a, "argument"_a, "body"_a, "fds"_a = std::vector<int>{});
    module.def("die_with_parent", &die_with_parent, "parent"_a);
    module.def(
        "end_kept_fork_server", [](bool for_good) { ForkServers::of_this_process().end(for_good); }, "for_good"_a,
        py::call_guard<py::gil_scoped_release>());
    module.def("tie_forks", [] { tie_forks(TiedForks::of_main_thread); });
    module.attr("CONTROL_FD") = kControlFd;
    module.attr("LAYOUT_VERSION") = kLayoutVersion;
    py::dict operations;
    operations["start"] = static_cast<std::uint32_t>(Op::start);
    operations["shutdown"] = static_cast<std::uint32_t>(Op::shutdown);
    operations["fork_child"] = static_cast<std::uint32_t>(Op::fork_child);
    operations["rest"] = static_cast<std::uint32_t>(Op::rest);
    operations["child_exited"] = static_cast<std::uint32_t>(Op::child_exited);
    module.attr("OPERATIONS") = operations;
}

}  // namespace callring::bindings
