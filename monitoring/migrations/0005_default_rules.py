"""The default rules, and the channel of the bell."""

from django.db import migrations

from monitoring.alerts.presets import PRESETS, WEB_CHANNEL


def create(apps, schema_editor):
    rules = apps.get_model("monitoring", "AlertRule")
    channels = apps.get_model("monitoring", "NotificationChannel")
    web, _ = channels.objects.get_or_create(name=WEB_CHANNEL, defaults={"kind": "web"})
    for preset, fields in PRESETS.items():
        rule, created = rules.objects.get_or_create(
            name=fields["name"], defaults={**fields, "preset": preset}
        )
        if created:
            rule.channels.add(web)


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0004_alerts")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
