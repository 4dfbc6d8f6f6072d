from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('models_app', '0008_run_model_words'),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='port_changes',
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
    ]
