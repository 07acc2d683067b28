// Binds Token.
#include "bindings/fast_path/token.h"

#include <structmember.h>

#include <array>
#include <new>
#include <utility>

#include "bindings/bindings.h"
#include "bindings/fast_path/cpython.h"

namespace callring::bindings {

namespace {

int token_traverse(PyObject* self, visitproc visit, void* arg) {
    const auto* token = reinterpret_cast<Token*>(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(token->owner);
    Py_VISIT(token->native);
    return 0;
}

int token_clear(PyObject* self) {
    auto* token = reinterpret_cast<Token*>(self);
    Py_CLEAR(token->owner);
    Py_CLEAR(token->native);
    Py_CLEAR(token->hashid);
    Py_CLEAR(token->kind);
    Py_CLEAR(token->target_namespace);
    Py_CLEAR(token->label);
    return 0;
}

py::object make_token(const py::object& owner, const py::object& native, const py::object& hashid,
                      const py::object& kind, const py::object& target_namespace, const py::object& label) {
    auto callable = native.cast<CallablePtr>();
    auto object = py::reinterpret_steal<py::object>(PyType_GenericAlloc(g_token_type, 0));
    if (!object) {
        throw py::error_already_set();
    }
    auto* token = reinterpret_cast<Token*>(object.ptr());
    token->owner = new_reference(owner.ptr());
    token->native = new_reference(native.ptr());
    token->hashid = new_reference(hashid.ptr());
    token->kind = new_reference(kind.ptr());
    token->target_namespace = new_reference(target_namespace.ptr());
    token->label = new_reference(label.ptr());
    token->live = 1;
    new (&token->callable) CallablePtr(std::move(callable));
    return object;
}

}  // namespace

void register_token(py::module_& module) {
    static std::array<PyMemberDef, 8> token_members{{
        {"owner", T_OBJECT_EX, offsetof(Token, owner), READONLY, nullptr},
        {"native", T_OBJECT_EX, offsetof(Token, native), READONLY, nullptr},
        {"hashid", T_OBJECT_EX, offsetof(Token, hashid), READONLY, nullptr},
        {"kind", T_OBJECT_EX, offsetof(Token, kind), READONLY, nullptr},
        {"target_namespace", T_OBJECT_EX, offsetof(Token, target_namespace), READONLY, nullptr},
        {"label", T_OBJECT_EX, offsetof(Token, label), READONLY, nullptr},
        {"live", T_BOOL, offsetof(Token, live), 0, "Whether its handle has not been released yet."},
        {},
    }};
    static std::array<PyType_Slot, 6> token_slots{{
        {Py_tp_doc, const_cast<char*>("Ties a handle to the registration that made it.")},
        slot<&deallocate<Token, token_clear>>(Py_tp_dealloc),
        slot<&token_traverse>(Py_tp_traverse),
        slot<&token_clear>(Py_tp_clear),
        {Py_tp_members, token_members.data()},
        {0, nullptr},
    }};
    g_token_type = add_type(
        module,
        {"runtime._core.Token", sizeof(Token), 0, kCollected | Py_TPFLAGS_DISALLOW_INSTANTIATION, token_slots.data()},
        "Token");
    module.def("make_token", &make_token, py::arg("owner"), py::arg("native"), py::arg("hashid"), py::arg("kind"),
               py::arg("target_namespace"), py::arg("label"));
}

}  // namespace callring::bindings
