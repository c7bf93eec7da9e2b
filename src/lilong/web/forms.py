"""How forms are drawn: every field by `web/parts/field.html`, with label, hint and errors tied to it."""

from django.forms.renderers import TemplatesSetting


class FormRenderer(TemplatesSetting):
    """Draws `{{ form.name.as_field_group }}`, and with `{{ form }}` all fields."""

    field_template_name = "web/parts/field.html"
    form_template_name = "web/parts/form.html"
