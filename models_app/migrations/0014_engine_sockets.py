from django.db import migrations, models

import common.fields
import models_app.models

KEY = common.fields.EncryptedTextField()


def _convert(apps, schema_editor, change):
    runs = apps.get_model("models_app", "Run").objects.using(
        schema_editor.connection.alias
    )
    for pk, key in runs.values_list("pk", "engine_key").iterator():
        runs.filter(pk=pk).update(engine_key=change(key))


def encrypt(apps, schema_editor):
    _convert(apps, schema_editor, KEY.get_prep_value)


def decrypt(apps, schema_editor):
    _convert(apps, schema_editor, lambda key: KEY.from_db_value(key))


class Migration(migrations.Migration):
    dependencies = [("models_app", "0013_approvals")]

    operations = [
        migrations.AlterField(
            model_name="run",
            name="port",
            field=models.PositiveIntegerField(null=True, verbose_name="port"),
        ),
        migrations.AlterField(
            model_name="run",
            name="engine_key",
            field=models.TextField(default=models_app.models.new_key, editable=False),
        ),
        migrations.RunPython(encrypt, decrypt),
        migrations.AlterField(
            model_name="run",
            name="engine_key",
            field=common.fields.EncryptedTextField(
                default=models_app.models.new_key, editable=False
            ),
        ),
    ]
